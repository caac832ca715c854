# The database of a fleet, and its setup server.

function Open-AmtFleet {
    <#
    .SYNOPSIS
    Opens the database of a fleet, or makes it.
    .DESCRIPTION
    The one that amt serve and Python use. Several programs may use one database; one of them may be its setup server.
    .PARAMETER Path
    The database.
    .PARAMETER KeyPath
    The file with the key that seals its secrets, made together with a new database; without it the database's path with .key after it.
    .EXAMPLE
    $fleet = Open-AmtFleet fleet.db
    .INPUTS
    Files, or paths as text.
    .OUTPUTS
    Amt.Fleet. Its Dispose method closes it.
    #>
    [CmdletBinding()]
    [OutputType([Amt.Fleet])]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true, ValueFromPipelineByPropertyName = $true)]
        [Alias('FullName', 'PSPath')]
        [string] $Path,

        [string] $KeyPath
    )

    process {
        try {
            $key = ''
            if ($KeyPath) { $key = Resolve-AmtPath $KeyPath }
            New-Object Amt.Fleet (Resolve-AmtPath $Path), $key
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Path))
        }
    }
}

function Get-AmtFleetMachine {
    <#
    .SYNOPSIS
    Lists machines of a fleet.
    .DESCRIPTION
    Those that fit a filter, or the one with a UUID.
    .PARAMETER Fleet
    What Open-AmtFleet gave.
    .PARAMETER Filter
    Such as 'verified and version >= 16'; none: all.
    .PARAMETER Sort
    A field, such as name or, downwards, -hello; none: as they became known.
    .PARAMETER First
    At most so many; 0: all.
    .PARAMETER Uuid
    The machine.
    .EXAMPLE
    Get-AmtFleetMachine $fleet -Filter 'not verified' | Format-Table uuid, name, state
    .INPUTS
    Amt.Fleet
    .OUTPUTS
    An object for each machine, with what amt fleet list --json shows of it.
    #>
    [CmdletBinding(DefaultParameterSetName = 'Filter')]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true)]
        [Amt.Fleet] $Fleet,

        [Parameter(ParameterSetName = 'Filter', Position = 1)]
        [string] $Filter,

        [Parameter(ParameterSetName = 'Filter')]
        [string] $Sort,

        [Parameter(ParameterSetName = 'Filter')]
        [ValidateRange(0, 2147483647)]
        [int] $First = 0,

        [Parameter(Mandatory = $true, ParameterSetName = 'Uuid')]
        [guid] $Uuid
    )

    process {
        try {
            if ($PSCmdlet.ParameterSetName -eq 'Uuid') {
                ConvertFrom-Json $Fleet.GetMachine($Uuid)
            }
            else {
                # A [string] parameter that was not given is empty, which the library takes as none.
                foreach ($item in (ConvertFrom-Json $Fleet.GetMachines($Filter, $Sort, $First))) { $item }
            }
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Fleet))
        }
    }
}

function Get-AmtFleetFact {
    <#
    .SYNOPSIS
    Tells what is said of a machine, and by whom.
    .DESCRIPTION
    The most trusted source of each key first.
    .PARAMETER Fleet
    What Open-AmtFleet gave.
    .PARAMETER Uuid
    The machine.
    .EXAMPLE
    Get-AmtFleetMachine $fleet | Get-AmtFleetFact $fleet
    .INPUTS
    Objects with Uuid.
    .OUTPUTS
    An object for each fact.
    #>
    [CmdletBinding()]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true, Position = 0)]
        [Amt.Fleet] $Fleet,

        [Parameter(Mandatory = $true, Position = 1, ValueFromPipelineByPropertyName = $true)]
        [Alias('Id')]
        [guid] $Uuid
    )

    process {
        try {
            foreach ($item in (ConvertFrom-Json $Fleet.GetFacts($Uuid))) { $item }
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Uuid))
        }
    }
}

function Add-AmtFleetFact {
    <#
    .SYNOPSIS
    Records what a source says of a machine.
    .DESCRIPTION
    The machine has to be known. Of every key that is named, what the same source said before ends.
    .PARAMETER Fleet
    What Open-AmtFleet gave.
    .PARAMETER Uuid
    The machine.
    .PARAMETER Fact
    Keys and values, a list for several.
    .PARAMETER Source
    Who says it: operator, list and others.
    .EXAMPLE
    Add-AmtFleetFact $fleet $uuid @{ fqdn = 'pc1.example.com'; label = 'lab', 'second floor' }
    .INPUTS
    Objects with Uuid.
    .OUTPUTS
    Whether anything is new.
    #>
    [CmdletBinding(SupportsShouldProcess = $true)]
    [OutputType([bool])]
    param(
        [Parameter(Mandatory = $true, Position = 0)]
        [Amt.Fleet] $Fleet,

        [Parameter(Mandatory = $true, Position = 1, ValueFromPipelineByPropertyName = $true)]
        [Alias('Id')]
        [guid] $Uuid,

        [Parameter(Mandatory = $true, Position = 2)]
        [System.Collections.IDictionary] $Fact,

        [string] $Source = 'operator'
    )

    process {
        if (-not $PSCmdlet.ShouldProcess("$Uuid", "Record $($Fact.Keys -join ', ')")) { return }
        try {
            $Fleet.Report($Uuid, $Source, (ConvertTo-Json -Compress -Depth 5 $Fact))
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Uuid))
        }
    }
}

function Get-AmtFleetDiary {
    <#
    .SYNOPSIS
    Reads the diary of a machine.
    .DESCRIPTION
    Its last lines, the oldest first.
    .PARAMETER Fleet
    What Open-AmtFleet gave.
    .PARAMETER Uuid
    The machine.
    .PARAMETER Last
    How many.
    .EXAMPLE
    Get-AmtFleetDiary $fleet $uuid -Last 20
    .INPUTS
    Objects with Uuid.
    .OUTPUTS
    An object for each line.
    #>
    [CmdletBinding()]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true, Position = 0)]
        [Amt.Fleet] $Fleet,

        [Parameter(Mandatory = $true, Position = 1, ValueFromPipelineByPropertyName = $true)]
        [Alias('Id')]
        [guid] $Uuid,

        [ValidateRange(1, 2147483647)]
        [int] $Last = 200
    )

    process {
        try {
            foreach ($item in (ConvertFrom-Json $Fleet.GetDiary($Uuid, $Last))) { $item }
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Uuid))
        }
    }
}

function Get-AmtFleetCredential {
    <#
    .SYNOPSIS
    Brings the passwords that may open a machine.
    .DESCRIPTION
    The likeliest first within each kind.
    .PARAMETER Fleet
    What Open-AmtFleet gave.
    .PARAMETER Uuid
    The machine.
    .EXAMPLE
    $admin = (Get-AmtFleetCredential $fleet $uuid | Where-Object Kind -eq admin | Select-Object -First 1).Credential
    .INPUTS
    Objects with Uuid.
    .OUTPUTS
    Objects with Uuid, Kind (admin, or mebx for the setup menu) and Credential.
    #>
    [CmdletBinding()]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true, Position = 0)]
        [Amt.Fleet] $Fleet,

        [Parameter(Mandatory = $true, Position = 1, ValueFromPipelineByPropertyName = $true)]
        [Alias('Id')]
        [guid] $Uuid
    )

    process {
        try {
            foreach ($item in $Fleet.GetCredentials($Uuid)) {
                [pscustomobject]@{
                    PSTypeName = 'Amt.FleetCredentialInfo'
                    Uuid       = $Uuid
                    Kind       = $item.Kind
                    Credential = New-Object System.Management.Automation.PSCredential $item.Account, $item.Password
                }
            }
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Uuid))
        }
    }
}

function Approve-AmtFleetMachine {
    <#
    .SYNOPSIS
    Lets a machine in, whatever the guard of the setup server says.
    .DESCRIPTION
    The diary tells who decided that.
    .PARAMETER Fleet
    What Open-AmtFleet gave.
    .PARAMETER Uuid
    The machine.
    .PARAMETER By
    Who decides it, for the diary.
    .EXAMPLE
    Get-AmtFleetMachine $fleet -Filter parked | Approve-AmtFleetMachine $fleet -By $env:USERNAME
    .INPUTS
    Objects with Uuid.
    .OUTPUTS
    None.
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'Medium')]
    param(
        [Parameter(Mandatory = $true, Position = 0)]
        [Amt.Fleet] $Fleet,

        [Parameter(Mandatory = $true, Position = 1, ValueFromPipelineByPropertyName = $true)]
        [Alias('Id')]
        [guid] $Uuid,

        [Parameter(Mandatory = $true)]
        [string] $By
    )

    process {
        if (-not $PSCmdlet.ShouldProcess("$Uuid", 'Let it in')) { return }
        try {
            $Fleet.Release($Uuid, $By)
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Uuid))
        }
    }
}

function New-AmtFleetToken {
    <#
    .SYNOPSIS
    Makes a token that machines enrol with through the intake.
    .DESCRIPTION
    The database keeps a hash only: what is not kept now is lost.
    .PARAMETER Fleet
    What Open-AmtFleet gave.
    .PARAMETER Uses
    For so many machines.
    .PARAMETER Days
    For how many days; 0: for ever.
    .PARAMETER Uuid
    The only machine that may enrol with it; none: any.
    .PARAMETER Note
    What it is for, in words.
    .EXAMPLE
    $token = New-AmtFleetToken $fleet -Uses 20 -Days 7 -Note 'second floor'
    .INPUTS
    Amt.Fleet
    .OUTPUTS
    Amt.EnrolmentToken, with Number and Text, a secure string.
    #>
    [CmdletBinding(SupportsShouldProcess = $true)]
    [OutputType([Amt.EnrolmentToken])]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true)]
        [Amt.Fleet] $Fleet,

        [ValidateRange(1, 2147483647)]
        [int] $Uses = 1,

        [ValidateRange(0, 36500)]
        [int] $Days = 0,

        [guid] $Uuid,

        [string] $Note
    )

    process {
        if (-not $PSCmdlet.ShouldProcess("$Uses machines", 'Make a token')) { return }
        try {
            $time = $null
            if ($Days -gt 0) { $time = [timespan]::FromDays($Days) }
            $only = $null
            if ($PSBoundParameters.ContainsKey('Uuid')) { $only = $Uuid }
            $Fleet.NewToken($Uses, $time, $only, $Note)
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Fleet))
        }
    }
}

function Revoke-AmtFleetToken {
    <#
    .SYNOPSIS
    Lets nobody enrol with a token any more.
    .DESCRIPTION
    Machines that did stay enrolled.
    .PARAMETER Fleet
    What Open-AmtFleet gave.
    .PARAMETER Number
    The token's number.
    .EXAMPLE
    $token | Revoke-AmtFleetToken $fleet
    .INPUTS
    Objects with Number.
    .OUTPUTS
    None.
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'Medium')]
    param(
        [Parameter(Mandatory = $true, Position = 0)]
        [Amt.Fleet] $Fleet,

        [Parameter(Mandatory = $true, Position = 1, ValueFromPipelineByPropertyName = $true)]
        [long] $Number
    )

    process {
        if (-not $PSCmdlet.ShouldProcess("token $Number", 'Revoke')) { return }
        try {
            $Fleet.RevokeToken($Number)
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Number))
        }
    }
}

# Gives every signature that a setup server needs. One that comes too late is a warning: the server goes on without it.
function Complete-AmtSignature {
    param([Amt.SetupServer] $Server, [scriptblock] $Signer)

    $needed = $Server.NextSignature()
    while ($null -ne $needed) {
        $answer = Invoke-AmtSigner $Signer $needed.Request
        try {
            if ($null -eq $answer.Signature) { $Server.SignFailed($needed, $answer.Reason) } else { $Server.Sign($needed, $answer.Signature) }
        }
        catch {
            $cause = Find-AmtException $_.Exception
            if ($null -eq $cause -or $cause.Code -ne [Amt.AmtCode]::InvalidArgument) { throw }
            Write-Warning $cause.Message
        }
        $needed = $Server.NextSignature()
    }
}

# Answers every question of a setup server. What cannot be answered parks the machine.
function Complete-AmtQuestion {
    param([Amt.SetupServer] $Server, [scriptblock] $Resolver)

    $question = $Server.NextQuestion()
    while ($null -ne $question) {
        try {
            try {
                $said = & $Resolver (ConvertFrom-Json $question.Machine)
                if ($null -eq $said) { $said = @{} }
                $Server.Answer($question, (ConvertTo-Json -Compress -Depth 20 -InputObject $said))
            }
            catch {
                $cause = Find-AmtException $_.Exception
                if ($null -ne $cause -and $cause.Code -eq [Amt.AmtCode]::InvalidArgument) { throw }
                $Server.AnswerFailed($question, $_.Exception.Message)
            }
        }
        catch {
            # The time was over, or the server was stopped: it goes on without the answer.
            $cause = Find-AmtException $_.Exception
            if ($null -eq $cause -or $cause.Code -ne [Amt.AmtCode]::InvalidArgument) { throw }
            Write-Warning $cause.Message
        }
        $question = $Server.NextQuestion()
    }
}

function Invoke-AmtSetupServer {
    <#
    .SYNOPSIS
    Runs a setup server: machines that say hello are provisioned.
    .DESCRIPTION
    Serves a configuration file over a fleet's database until Control-C, or for some time. What is unfinished then is taken up by the next
    server on the database. While -Signer or -Resolver runs, nothing is served.
    .PARAMETER Fleet
    What Open-AmtFleet gave. The database that the configuration names is not used.
    .PARAMETER ConfigPath
    The configuration file, as amt serve takes it.
    .PARAMETER Chain
    Provisioning certificates for whose keys -Signer signs, from Import-AmtCertificate, which needs no key then, beside those of the
    configuration, which then need not name any; for machines from AMT 14 on.
    .PARAMETER Signer
    What signs for -Chain: as that of Initialize-AmtMachine. What it throws makes the attempt fail, which is repeated later.
    .PARAMETER Resolver
    What says what shall become of a machine: it gets what is known of it, and gives a hashtable such as
    @{ entry = 'admit'; name = 'pc1.example.com' }, or nothing, which leaves everything open. What it throws parks the machine.
    .PARAMETER Patience
    For how many seconds a machine waits for -Resolver.
    .PARAMETER Seconds
    How long to serve; 0: until Control-C.
    .EXAMPLE
    Invoke-AmtSetupServer $fleet amt.toml | Where-Object event -eq verified
    .EXAMPLE
    Invoke-AmtSetupServer $fleet amt.toml -Chain (Import-AmtCertificate chain.pem) -Signer $sign -Resolver { param($machine) @{ entry = 'admit' } }
    .INPUTS
    Amt.Fleet
    .OUTPUTS
    An object for each event, as of amt serve --json.
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'Medium')]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true)]
        [Amt.Fleet] $Fleet,

        [Parameter(Mandatory = $true, Position = 1)]
        [string] $ConfigPath,

        [Amt.Certificate[]] $Chain,

        [scriptblock] $Signer,

        [scriptblock] $Resolver,

        [ValidateRange(1, 3600)]
        [int] $Patience = 10,

        [ValidateRange(0, 31536000)]
        [int] $Seconds = 0
    )

    process {
        if (-not $PSCmdlet.ShouldProcess($ConfigPath, 'Provision machines that say hello')) { return }
        $server = $null
        try {
            $server = New-Object Amt.SetupServer $Fleet, (Resolve-AmtPath $ConfigPath)
            foreach ($item in $Chain) { $server.AddChain($item) }
            if ($null -ne $Resolver) { $server.AskHost([timespan]::FromSeconds($Patience)) }
            $deadline = [datetime]::MaxValue
            if ($Seconds -gt 0) { $deadline = [datetime]::UtcNow.AddSeconds($Seconds) }
            $isStopped = $false
            while ($true) {
                if (-not $isStopped -and [datetime]::UtcNow -ge $deadline) {
                    $server.Stop()
                    $isStopped = $true
                }
                # Short turns: between them PowerShell sees Control-C.
                $happened = $server.Next([timespan]::FromMilliseconds(500))
                if ($null -ne $happened) { ConvertFrom-Json $happened }
                if ($null -ne $Chain) { Complete-AmtSignature $server $Signer }
                if ($null -ne $Resolver) { Complete-AmtQuestion $server $Resolver }
            }
        }
        catch {
            # That it was stopped, and has ended, is no error.
            $cause = Find-AmtException $_.Exception
            if ($null -eq $cause -or $cause.Code -ne [Amt.AmtCode]::Cancelled) {
                $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $ConfigPath))
            }
        }
        finally {
            if ($null -ne $server) { $server.Dispose() }
        }
    }
}

# Intel AMT machines from PowerShell 5.1 and 7. What is done is done by Amt.dll; here it gets parameters, pipeline and objects.
Set-StrictMode -Version 2.0

. (Join-Path $PSScriptRoot 'Fleet.ps1')
. (Join-Path $PSScriptRoot 'Local.ps1')
. (Join-Path $PSScriptRoot 'Operation.ps1')
. (Join-Path $PSScriptRoot 'SetupFile.ps1')
. (Join-Path $PSScriptRoot 'Trust.ps1')
. (Join-Path $PSScriptRoot 'Upkeep.ps1')
. (Join-Path $PSScriptRoot 'Wsman.ps1')

# The error of the library behind one of PowerShell; null: there is none.
function Find-AmtException {
    param([System.Exception] $Exception)

    $inner = $Exception
    while ($null -ne $inner -and $inner -isnot [Amt.AmtException]) { $inner = $inner.InnerException }
    return $inner
}

# An error of the library as PowerShell shows errors: its code as identifier, its hint as recommended action.
function New-AmtErrorRecord {
    param([System.Exception] $Exception, [object] $Target)

    $inner = Find-AmtException $Exception
    if ($null -eq $inner) {
        return New-Object System.Management.Automation.ErrorRecord $Exception, 'AMT', 'NotSpecified', $Target
    }
    $shown = New-Object System.Management.Automation.ErrorRecord $inner, "AMT_E_$($inner.Name)", 'InvalidResult', $Target
    $details = New-Object System.Management.Automation.ErrorDetails "$($inner.Message) (at $($inner.Stage))"
    $details.RecommendedAction = $inner.Hint
    $shown.ErrorDetails = $details
    return $shown
}

# A path as the file system knows it: .NET has another current folder than PowerShell.
function Resolve-AmtPath {
    param([string] $Path)

    return $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($Path)
}

# What the caller's function signs; else the reason why there is no signature.
function Invoke-AmtSigner {
    param([scriptblock] $Signer, [Amt.SigningRequest] $Request)

    $answer = @{ Signature = $null; Reason = 'there is no -Signer' }
    if ($null -eq $Signer) { return $answer }
    try {
        $signature = [byte[]] (& $Signer $Request)
        if ($null -eq $signature -or $signature.Length -eq 0) { $answer.Reason = 'the -Signer gave no signature' }
        else { $answer.Signature = $signature }
    }
    catch {
        $answer.Reason = $_.Exception.Message
    }
    return $answer
}

# Takes the turns of a setup to its end: the outcome.
function Complete-AmtSetup {
    param([Amt.Provisioning] $Attempt, [string] $Name, [scriptblock] $Signer)

    while ($true) {
        # Short turns: between them PowerShell sees Control-C.
        $next = $Attempt.Next([timespan]::FromMilliseconds(500))
        if ($null -eq $next) { continue }
        Write-Verbose "${Name}: $($next.Kind) $($next.Text)"
        try {
            if ($next.Kind -eq [Amt.ProvisioningEventKind]::Done) { return $next.GetOutcome() }
            if ($next.Kind -eq [Amt.ProvisioningEventKind]::Sign) {
                $answer = Invoke-AmtSigner $Signer $next.GetSigning()
                if ($null -eq $answer.Signature) { $Attempt.SignFailed($answer.Reason) } else { $Attempt.Signed($answer.Signature) }
            }
        }
        finally {
            $next.Dispose()
        }
    }
}

function Get-AmtLibrary {
    <#
    .SYNOPSIS
    Tells which C library is loaded.
    .DESCRIPTION
    Gives its version and the version of its binary interface. Fails where the library cannot be found.
    .EXAMPLE
    Get-AmtLibrary
    .OUTPUTS
    An object with Version and AbiVersion.
    #>
    [CmdletBinding()]
    [OutputType([pscustomobject])]
    param()

    [pscustomobject]@{
        PSTypeName = 'Amt.LibraryInfo'
        Version    = [Amt.Library]::Version
        AbiVersion = [Amt.Library]::AbiVersion
    }
}

function ConvertFrom-AmtHello {
    <#
    .SYNOPSIS
    Decodes hellos that machines in setup mode sent.
    .DESCRIPTION
    Reads each file and tells who sent it and how the machine wants to be provisioned. A file that is no hello gives an error; the
    others are decoded all the same.
    .PARAMETER Path
    Files, each with one captured hello.
    .EXAMPLE
    Get-ChildItem *.hello | ConvertFrom-AmtHello | Sort-Object Uuid
    .INPUTS
    Files, or paths as text.
    .OUTPUTS
    Objects with Uuid, Kind, Retry, AdminCredentialsSet, Pid, Roots, TrailingBytes and Path.
    #>
    [CmdletBinding()]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true, ValueFromPipelineByPropertyName = $true)]
        [Alias('FullName', 'PSPath')]
        [string[]] $Path
    )

    process {
        foreach ($item in $Path) {
            $hello = $null
            try {
                $hello = [Amt.Hello]::Parse([System.IO.File]::ReadAllBytes((Resolve-AmtPath $item)))
                [pscustomobject]@{
                    PSTypeName          = 'Amt.HelloInfo'
                    Uuid                = $hello.Uuid
                    Kind                = $hello.Kind
                    Retry               = $hello.Retry
                    AdminCredentialsSet = $hello.AdminCredentialsSet
                    Pid                 = $hello.Pid
                    Roots               = $hello.Roots
                    TrailingBytes       = $hello.TrailingBytes
                    Path                = $item
                }
            }
            catch {
                $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $item))
            }
            finally {
                if ($null -ne $hello) { $hello.Dispose() }
            }
        }
    }
}

function Import-AmtCertificate {
    <#
    .SYNOPSIS
    Reads a provisioning certificate.
    .DESCRIPTION
    Reads a PFX file, or PEM text with the key in the same or in another file, for Test-AmtCertificate and Initialize-AmtMachine.
    .PARAMETER Path
    The file: PFX (.pfx, .p12), else PEM.
    .PARAMETER KeyPath
    The file with the key, where PEM text does not hold it.
    .PARAMETER Password
    The password of the PFX, or of an encrypted key.
    .EXAMPLE
    $certificate = Import-AmtCertificate provisioning.pfx -Password (Read-Host -AsSecureString)
    .OUTPUTS
    Amt.Certificate. Its Dispose method frees it.
    #>
    [CmdletBinding()]
    [OutputType([Amt.Certificate])]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true, ValueFromPipelineByPropertyName = $true)]
        [Alias('FullName', 'PSPath')]
        [string] $Path,

        [string] $KeyPath,

        [System.Security.SecureString] $Password
    )

    process {
        try {
            $data = [System.IO.File]::ReadAllBytes((Resolve-AmtPath $Path))
            # Null would fit two overloads.
            if ($null -eq $Password) { $Password = New-Object System.Security.SecureString }
            if ([System.IO.Path]::GetExtension($Path) -in '.pfx', '.p12') {
                [Amt.Certificate]::FromPfx($data, $Password)
            }
            else {
                $key = $null
                if ($KeyPath) { $key = [System.IO.File]::ReadAllBytes((Resolve-AmtPath $KeyPath)) }
                [Amt.Certificate]::FromPem($data, $key, $Password)
            }
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Path))
        }
    }
}

function Test-AmtCertificate {
    <#
    .SYNOPSIS
    Tells every reason why a certificate would not provision a machine.
    .DESCRIPTION
    Checks what is known: without suffix, hello or firmware version only the certificate itself. No output: nothing is against it.
    .PARAMETER Certificate
    What Import-AmtCertificate gave.
    .PARAMETER HelloPath
    A file with the machine's hello.
    .PARAMETER Suffix
    The DNS suffix of the machine's network.
    .PARAMETER Firmware
    The machine's firmware version, for example 16.1.25.
    .PARAMETER NoSuffix
    The machine's network has no DNS suffix.
    .PARAMETER Wireless
    The address at hand belongs to the machine's wireless adapter.
    .EXAMPLE
    Import-AmtCertificate my.pfx -Password $password | Test-AmtCertificate -Suffix example.com | Where-Object Severity -eq Error
    .INPUTS
    Amt.Certificate
    .OUTPUTS
    Amt.Finding, with Severity, Code, Field, Message and Hint.
    #>
    [CmdletBinding()]
    [OutputType([Amt.Finding])]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true)]
        [Amt.Certificate] $Certificate,

        [string] $HelloPath,

        [string] $Suffix,

        [string] $Firmware,

        [switch] $NoSuffix,

        [switch] $Wireless
    )

    process {
        $hello = $null
        try {
            if ($HelloPath) { $hello = [Amt.Hello]::Parse([System.IO.File]::ReadAllBytes((Resolve-AmtPath $HelloPath))) }
            # A [string] parameter that was not given is empty, which the library takes as not known.
            $Certificate.Preflight($hello, $Suffix, $Firmware, $NoSuffix.IsPresent, $Wireless.IsPresent)
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Certificate))
        }
        finally {
            if ($null -ne $hello) { $hello.Dispose() }
        }
    }
}

function Initialize-AmtMachine {
    <#
    .SYNOPSIS
    Takes machines from setup mode to proven admin control mode.
    .DESCRIPTION
    Provisions each machine over the network. Its passwords are in the journal before the machine gets them; if the attempt is broken
    off, by Control-C too, the next one goes on from the journal. The steps are told by -Verbose.
    .PARAMETER Uuid
    The machine's UUID.
    .PARAMETER Address
    Its IP address.
    .PARAMETER HostName
    The host name to set; the machine's certificate is made for it.
    .PARAMETER DomainName
    The domain name to set.
    .PARAMETER Certificate
    Provisioning certificates, from Import-AmtCertificate.
    .PARAMETER Chain
    Provisioning certificates for whose keys -Signer signs, from Import-AmtCertificate, which needs no key then; for AMT 14 and later.
    .PARAMETER Signer
    What signs for -Chain within 20 seconds: it gets an object with Certificate, the position in -Chain from 0, and Data, and gives the
    bytes of an RSA signature, PKCS#1 v1.5, over the SHA-256 of Data. What it throws ends the attempt.
    .PARAMETER Psk
    Pre-shared pairs that the machine may hold, from New-AmtPsk; AMT 2 to 10, with -LegacyTls Allow.
    .PARAMETER ClientCertificate
    What to show to a machine that turns out to be set up already, with mutual TLS, from Import-AmtCertificate, with its key.
    .PARAMETER JournalPath
    The SQLite file with the journal; made on first use.
    .PARAMETER JournalKeyPath
    The file with the key that seals the journal's secrets; made on first use.
    .PARAMETER AuthorityPath
    The certificate (PEM) of the authority that signs the machine's certificate; made on first use.
    .PARAMETER AuthorityKeyPath
    The authority's key (PEM); made on first use.
    .PARAMETER Suffix
    The DNS suffix of the machine's network.
    .PARAMETER Credential
    The password for the administrator of the machine; the user name has to be admin. Without it one is generated.
    .PARAMETER MebxCredential
    The password for the setup menu (MEBx); the user name does not matter. Without it one is generated.
    .PARAMETER KnownCredential
    Passwords to try on a machine that says its credentials are already set.
    .PARAMETER OneTimePassword
    The one-time password that the machine must hold.
    .PARAMETER Port
    Another TLS port than 16993.
    .PARAMETER LegacyTls
    Whether TLS before 1.2 may be used: Refuse, Allow or AllowWeak.
    .EXAMPLE
    Import-Csv machines.csv | Initialize-AmtMachine -Certificate $certificate -JournalPath amt.db -JournalKeyPath amt.key `
        -AuthorityPath ca.pem -AuthorityKeyPath ca.key -Suffix example.com -WhatIf
    .EXAMPLE
    $sign = { param($request) $rsa.SignData($request.Data, [Security.Cryptography.HashAlgorithmName]::SHA256, [Security.Cryptography.RSASignaturePadding]::Pkcs1) }
    Initialize-AmtMachine -Uuid $uuid -Address 10.0.0.5 -Chain (Import-AmtCertificate chain.pem) -Signer $sign -JournalPath amt.db `
        -JournalKeyPath amt.key -AuthorityPath ca.pem -AuthorityKeyPath ca.key -HostName pc1 -Suffix example.com
    .INPUTS
    Objects with Uuid and Address, perhaps HostName and DomainName.
    .OUTPUTS
    Objects with Uuid, Address, ControlMode, TlsVersion, TlsSuite and Firmware, one for each machine that is provisioned.
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'High')]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true, ValueFromPipelineByPropertyName = $true)]
        [guid] $Uuid,

        [Parameter(Mandatory = $true, ValueFromPipelineByPropertyName = $true)]
        [System.Net.IPAddress] $Address,

        [Parameter(ValueFromPipelineByPropertyName = $true)]
        [string] $HostName,

        [Parameter(ValueFromPipelineByPropertyName = $true)]
        [string] $DomainName,

        [Amt.Certificate[]] $Certificate,

        [Amt.Certificate[]] $Chain,

        [scriptblock] $Signer,

        [Amt.Psk[]] $Psk,

        [Amt.Certificate] $ClientCertificate,

        [Parameter(Mandatory = $true)]
        [string] $JournalPath,

        [Parameter(Mandatory = $true)]
        [string] $JournalKeyPath,

        [Parameter(Mandatory = $true)]
        [string] $AuthorityPath,

        [Parameter(Mandatory = $true)]
        [string] $AuthorityKeyPath,

        [string] $Suffix,

        [ValidateScript({ $_.UserName -eq 'admin' })]
        [System.Management.Automation.PSCredential] $Credential,

        [System.Management.Automation.PSCredential] $MebxCredential,

        [System.Management.Automation.PSCredential[]] $KnownCredential,

        [System.Security.SecureString] $OneTimePassword,

        [ValidateRange(1, 65535)]
        [int] $Port,

        [Amt.LegacyTls] $LegacyTls = 'Refuse'
    )

    begin {
        if ($null -eq $Certificate -and $null -eq $Chain -and $null -eq $Psk) {
            throw (New-Object System.ArgumentException 'give -Certificate, -Chain with -Signer, or -Psk: without one of them no machine lets a setup server in')
        }
    }

    process {
        if (-not $PSCmdlet.ShouldProcess("$Uuid at $Address", 'Provision')) { return }
        $job = $null
        $attempt = $null
        try {
            $job = New-Object Amt.Job $Uuid, $Address
            foreach ($item in $Certificate) { $job.AddCertificate($item) }
            foreach ($item in $Chain) { $job.AddChain($item) }
            foreach ($item in $Psk) { $job.AddPsk($item.Pid, $item.GetPps($false)) }
            if ($null -ne $ClientCertificate) { $job.SetClientCertificate($ClientCertificate) }
            $job.SetJournalFile((Resolve-AmtPath $JournalPath), (Resolve-AmtPath $JournalKeyPath))
            $job.SetAuthorityFiles((Resolve-AmtPath $AuthorityPath), (Resolve-AmtPath $AuthorityKeyPath))
            $job.SetLegacyTls($LegacyTls)
            if ($HostName) { $job.SetHostName($HostName) }
            if ($DomainName) { $job.SetDomainName($DomainName) }
            if ($Suffix) { $job.SetSuffix($Suffix) }
            if ($Port) { $job.SetPort($Port) }
            if ($Credential) { $job.SetAdminPassword($Credential.Password) }
            if ($MebxCredential) { $job.SetMebxPassword($MebxCredential.Password) }
            if ($OneTimePassword) { $job.SetOneTimePassword($OneTimePassword) }
            foreach ($known in $KnownCredential) { $job.AddKnownPassword($known.Password) }

            $attempt = $job.Start()
            $outcome = Complete-AmtSetup $attempt "$Uuid" $Signer
            [pscustomobject]@{
                PSTypeName  = 'Amt.MachineInfo'
                Uuid        = $Uuid
                Address     = $Address
                ControlMode = $outcome.ControlMode
                TlsVersion  = $outcome.TlsVersion
                TlsSuite    = $outcome.TlsSuite
                Firmware    = $outcome.Firmware
            }
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Uuid))
        }
        finally {
            if ($null -ne $attempt) { $attempt.Dispose() }
            if ($null -ne $job) { $job.Dispose() }
        }
    }
}

function ConvertFrom-AmtRecord {
    <#
    .SYNOPSIS
    Reads journal records that a program of yours stored.
    .DESCRIPTION
    A record holds what must not be lost about a machine. Passwords come out as credentials, likeliest first; more than one as long as it
    is not proven which of them the machine took.
    .PARAMETER Path
    Files, each with one record.
    .EXAMPLE
    (ConvertFrom-AmtRecord pc1.record).AdminCredential[0]
    .INPUTS
    Files, or paths as text.
    .OUTPUTS
    Objects with Uuid, Verified, AdminCredential, MebxCredential, Certificate and Path.
    #>
    [CmdletBinding()]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true, ValueFromPipelineByPropertyName = $true)]
        [Alias('FullName', 'PSPath')]
        [string[]] $Path
    )

    process {
        foreach ($item in $Path) {
            $record = $null
            try {
                $bytes = [System.IO.File]::ReadAllBytes((Resolve-AmtPath $item))
                $record = [Amt.Record]::Parse($bytes)
                [array]::Clear($bytes, 0, $bytes.Length)
                $admin = @($record.AdminPasswords | ForEach-Object { New-Object System.Management.Automation.PSCredential 'admin', $_ })
                $mebx = @($record.MebxPasswords | ForEach-Object { New-Object System.Management.Automation.PSCredential 'admin', $_ })
                [pscustomobject]@{
                    PSTypeName      = 'Amt.RecordInfo'
                    Uuid            = $record.Uuid
                    Verified        = $record.Verified
                    AdminCredential = $admin
                    MebxCredential  = $mebx
                    Certificate     = $record.Certificate
                    Path            = $item
                }
            }
            catch {
                $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $item))
            }
            finally {
                if ($null -ne $record) { $record.Dispose() }
            }
        }
    }
}

function Receive-AmtHello {
    <#
    .SYNOPSIS
    Waits for hellos of machines in setup mode.
    .DESCRIPTION
    Listens on port 9971, or another, until as many hellos have come, or the time is over. What is no hello is a warning. Nothing that
    arrives is authenticated: anybody may say hello.
    .PARAMETER Count
    How many hellos to wait for.
    .PARAMETER Timeout
    Seconds to wait for each.
    .PARAMETER Port
    The port.
    .EXAMPLE
    Receive-AmtHello -Count 10 | Initialize-AmtMachine -Certificate $certificate -JournalPath amt.db -JournalKeyPath amt.key `
        -AuthorityPath ca.pem -AuthorityKeyPath ca.key -Suffix example.com
    .OUTPUTS
    Objects with Uuid, Address, Kind, Repeat and Received.
    #>
    [CmdletBinding()]
    [OutputType([pscustomobject])]
    param(
        [ValidateRange(1, 1000000)]
        [int] $Count = 1,

        [ValidateRange(1, 86400)]
        [int] $Timeout = 600,

        [ValidateRange(1, 65535)]
        [int] $Port = 9971
    )

    $listener = $null
    try {
        $listener = New-Object Amt.HelloListener (New-Object System.Net.IPEndPoint ([System.Net.IPAddress]::Any), $Port)
        $deadline = [datetime]::UtcNow.AddSeconds($Timeout)
        $come = 0
        while ($come -lt $Count -and [datetime]::UtcNow -lt $deadline) {
            # Short turns: between them PowerShell sees Control-C.
            $arrival = $listener.Next([timespan]::FromMilliseconds(500))
            if ($null -eq $arrival) { continue }
            if ($null -eq $arrival.Hello) {
                Write-Warning "$($arrival.Address): $($arrival.Error.Message)"
                continue
            }
            $come++
            $deadline = [datetime]::UtcNow.AddSeconds($Timeout)
            [pscustomobject]@{
                PSTypeName = 'Amt.ArrivalInfo'
                Uuid       = $arrival.Hello.Uuid
                Address    = $arrival.Address
                Kind       = $arrival.Hello.Kind
                Repeat     = $arrival.Repeat
                Received   = $arrival.Received
            }
            $arrival.Hello.Dispose()
        }
    }
    catch {
        $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Port))
    }
    finally {
        if ($null -ne $listener) { $listener.Dispose() }
    }
}

Export-ModuleMember -Function @(
    'Add-AmtAuthority'
    'Add-AmtFleetFact'
    'Approve-AmtFleetMachine'
    'Clear-AmtBoot'
    'Clear-AmtEventLog'
    'Compare-AmtConfiguration'
    'Connect-AmtMachine'
    'ConvertFrom-AmtHello'
    'ConvertFrom-AmtRecord'
    'Export-AmtAuthority'
    'Get-AmtAuditLog'
    'Get-AmtAuthority'
    'Get-AmtBoot'
    'Get-AmtCapability'
    'Get-AmtClock'
    'Get-AmtConnection'
    'Get-AmtEventLog'
    'Get-AmtFleetCredential'
    'Get-AmtFleetDiary'
    'Get-AmtFleetFact'
    'Get-AmtFleetMachine'
    'Get-AmtInstance'
    'Get-AmtInventory'
    'Get-AmtLibrary'
    'Get-AmtLocalStatus'
    'Get-AmtPower'
    'Get-AmtSession'
    'Get-AmtStatus'
    'Import-AmtCertificate'
    'Initialize-AmtLocalMachine'
    'Initialize-AmtMachine'
    'Invoke-AmtMethod'
    'Invoke-AmtPowerAction'
    'Invoke-AmtSetupServer'
    'New-AmtFleetToken'
    'New-AmtPsk'
    'New-AmtSetupFile'
    'Open-AmtFleet'
    'Receive-AmtHello'
    'Reset-AmtLocalSetup'
    'Reset-AmtPassword'
    'Reset-AmtSetup'
    'Resume-AmtEventLog'
    'Revoke-AmtFleetToken'
    'Set-AmtBoot'
    'Set-AmtClock'
    'Set-AmtConfiguration'
    'Set-AmtInstance'
    'Suspend-AmtEventLog'
    'Test-AmtAuthority'
    'Test-AmtCertificate'
    'Test-AmtProfile'
    'Test-AmtSetupFile'
    'Update-AmtCertificate'
)

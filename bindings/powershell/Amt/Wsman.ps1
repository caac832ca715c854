# Provisioned machines by WS-Man.

# Selectors and arguments as the library takes them; nothing stays nothing.
function ConvertTo-AmtJson {
    param([System.Collections.IDictionary] $Values)

    if ($null -eq $Values -or $Values.Count -eq 0) { return '' }
    return ConvertTo-Json -Compress -Depth 20 $Values
}

# The bytes that hexadecimal digits stand for.
function ConvertFrom-AmtHex {
    param([string] $Text)

    $bytes = New-Object byte[] ($Text.Length / 2)
    for ($at = 0; $at -lt $bytes.Length; $at++) { $bytes[$at] = [System.Convert]::ToByte($Text.Substring(2 * $at, 2), 16) }
    return , $bytes
}

function Connect-AmtMachine {
    <#
    .SYNOPSIS
    Opens a provisioned machine, for the functions that take a device.
    .DESCRIPTION
    Nothing is sent before the first of them. Whom to take the machine for has to be said: one whose certificate is of the authority given and
    carries the host name given, or the one with this very certificate; or, in the open, anybody.
    .PARAMETER Address
    Its IP address.
    .PARAMETER Credential
    An account of its firmware, such as admin.
    .PARAMETER AuthorityPath
    Certificates (PEM) of the authorities to trust.
    .PARAMETER HostName
    The name that the machine's certificate carries, with its domain.
    .PARAMETER CertificateSha256
    The SHA-256 of the machine's certificate, 64 hexadecimal digits, in place of authority and name.
    .PARAMETER TrustAny
    Accept any certificate: whoever is in between reads and changes everything.
    .PARAMETER Plain
    No TLS at all: firmware before 16.1 only, and readable by everyone on the way.
    .PARAMETER ClientCertificate
    What to show to a machine with mutual TLS, from Import-AmtCertificate, with its key; machines that ask for none are not shown it.
    .PARAMETER LegacyTls
    Whether TLS before 1.2, which AMT before 14 needs, may be used: Refuse, Allow or AllowWeak.
    .PARAMETER Port
    Another port than 16993, or 16992 without TLS.
    .EXAMPLE
    $machine = Connect-AmtMachine 10.0.0.5 (Get-Credential admin) -AuthorityPath ca.pem -HostName pc1.example.com
    .EXAMPLE
    $console = Import-AmtCertificate console.pfx -Password (Read-Host -AsSecureString)
    Connect-AmtMachine 10.0.0.5 $admin -AuthorityPath ca.pem -HostName pc1.example.com -ClientCertificate $console | Get-AmtStatus
    .INPUTS
    Objects with Address and HostName.
    .OUTPUTS
    Amt.Device. Its Dispose method ends the connection.
    #>
    [CmdletBinding(DefaultParameterSetName = 'Authority')]
    [OutputType([Amt.Device])]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipelineByPropertyName = $true)]
        [System.Net.IPAddress] $Address,

        [Parameter(Mandatory = $true, Position = 1)]
        [System.Management.Automation.PSCredential] $Credential,

        [Parameter(Mandatory = $true, ParameterSetName = 'Authority')]
        [string] $AuthorityPath,

        [Parameter(Mandatory = $true, ParameterSetName = 'Authority', ValueFromPipelineByPropertyName = $true)]
        [string] $HostName,

        [Parameter(Mandatory = $true, ParameterSetName = 'Pin')]
        [ValidatePattern('^[0-9A-Fa-f]{64}$')]
        [string] $CertificateSha256,

        [Parameter(Mandatory = $true, ParameterSetName = 'Any')]
        [switch] $TrustAny,

        [Parameter(Mandatory = $true, ParameterSetName = 'Plain')]
        [switch] $Plain,

        [Amt.Certificate] $ClientCertificate,

        [Amt.LegacyTls] $LegacyTls = 'Refuse',

        [ValidateRange(0, 65535)]
        [int] $Port = 0
    )

    process {
        try {
            $device = New-Object Amt.Device $Address, $Credential.UserName, $Credential.Password, $Port
            switch ($PSCmdlet.ParameterSetName) {
                'Authority' { $device.TrustRoots([System.IO.File]::ReadAllBytes((Resolve-AmtPath $AuthorityPath)), $HostName) }
                'Pin' { $device.TrustPin((ConvertFrom-AmtHex $CertificateSha256)) }
                'Any' { if ($TrustAny) { $device.TrustAny() } }
                'Plain' { if ($Plain) { $device.TrustPlain() } }
            }
            $device.SetLegacyTls($LegacyTls)
            if ($null -ne $ClientCertificate) { $device.SetClientCertificate($ClientCertificate) }
            $device
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Address))
        }
    }
}

function Get-AmtConnection {
    <#
    .SYNOPSIS
    Tells of the connection to a machine what was agreed on.
    .DESCRIPTION
    Sends nothing: what is not known before the machine has answered is null.
    .PARAMETER Device
    What Connect-AmtMachine gave.
    .EXAMPLE
    (Get-AmtConnection $machine).tls.certificate_sha256
    .INPUTS
    Amt.Device
    .OUTPUTS
    An object with address, firmware and tls.
    #>
    [CmdletBinding()]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true)]
        [Amt.Device] $Device
    )

    process {
        try {
            ConvertFrom-Json $Device.GetConnection()
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Device))
        }
    }
}

function Get-AmtInstance {
    <#
    .SYNOPSIS
    Reads instances of a class of a machine by WS-Man.
    .DESCRIPTION
    Reads the instance that the selectors choose, or with -All every one. All values are text.
    .PARAMETER Device
    What Connect-AmtMachine gave.
    .PARAMETER Class
    The class, for example AMT_GeneralSettings.
    .PARAMETER Selector
    Names and values that choose the instance; none: the only one.
    .PARAMETER All
    Every instance of the class.
    .EXAMPLE
    Get-AmtInstance $machine AMT_GeneralSettings | Select-Object HostName, DomainName
    .INPUTS
    Classes as text.
    .OUTPUTS
    Objects with the properties of the instances.
    #>
    [CmdletBinding()]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true, Position = 0)]
        [Amt.Device] $Device,

        [Parameter(Mandatory = $true, Position = 1, ValueFromPipeline = $true)]
        [string] $Class,

        [hashtable] $Selector,

        [switch] $All
    )

    process {
        try {
            $json = if ($All) { $Device.Enumerate($Class) } else { $Device.Get($Class, (ConvertTo-AmtJson $Selector)) }
            foreach ($item in (ConvertFrom-Json $json).items) { $item.properties }
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Class))
        }
    }
}

function Set-AmtInstance {
    <#
    .SYNOPSIS
    Changes properties of an instance of a machine by WS-Man.
    .DESCRIPTION
    Reads the instance and puts it back whole with the changes.
    .PARAMETER Device
    What Connect-AmtMachine gave.
    .PARAMETER Class
    The class, for example AMT_GeneralSettings.
    .PARAMETER Property
    Names and new values.
    .PARAMETER Selector
    Names and values that choose the instance; none: the only one.
    .EXAMPLE
    Set-AmtInstance $machine AMT_GeneralSettings @{ PingResponseEnabled = $false }
    .INPUTS
    Amt.Device
    .OUTPUTS
    An object with the properties as the machine has them now.
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'Medium')]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true)]
        [Amt.Device] $Device,

        [Parameter(Mandatory = $true, Position = 1)]
        [string] $Class,

        [Parameter(Mandatory = $true, Position = 2)]
        [hashtable] $Property,

        [hashtable] $Selector
    )

    process {
        if (-not $PSCmdlet.ShouldProcess($Class, "Set $($Property.Keys -join ', ')")) { return }
        try {
            $which = ConvertTo-AmtJson $Selector
            $reply = ConvertFrom-Json $Device.Get($Class, $which)
            foreach ($name in $Property.Keys) {
                Add-Member -InputObject $reply.items[0].properties -NotePropertyName $name -NotePropertyValue $Property[$name] -Force
            }
            $changed = ConvertFrom-Json $Device.Put($Class, (ConvertTo-Json -Compress -Depth 20 $reply), $which)
            foreach ($item in $changed.items) { $item.properties }
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Class))
        }
    }
}

function Invoke-AmtMethod {
    <#
    .SYNOPSIS
    Calls a method of a machine by WS-Man.
    .DESCRIPTION
    A ReturnValue other than 0 is an error, which tells it.
    .PARAMETER Device
    What Connect-AmtMachine gave.
    .PARAMETER Class
    The class, for example AMT_TimeSynchronizationService.
    .PARAMETER Method
    The method.
    .PARAMETER Argument
    Names and values in the order of the method's definition: [ordered]@{ Name = value }; none for a method without.
    .PARAMETER Selector
    Names and values that choose the instance; none: the only one.
    .EXAMPLE
    Invoke-AmtMethod $machine AMT_TimeSynchronizationService GetLowAccuracyTimeSynch
    .INPUTS
    Amt.Device
    .OUTPUTS
    An object with the method's output.
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'Medium')]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true)]
        [Amt.Device] $Device,

        [Parameter(Mandatory = $true, Position = 1)]
        [string] $Class,

        [Parameter(Mandatory = $true, Position = 2)]
        [string] $Method,

        [System.Collections.IDictionary] $Argument,

        [hashtable] $Selector
    )

    process {
        if (-not $PSCmdlet.ShouldProcess($Class, "Call $Method")) { return }
        try {
            $json = $Device.Invoke($Class, $Method, (ConvertTo-AmtJson $Argument), (ConvertTo-AmtJson $Selector))
            foreach ($item in (ConvertFrom-Json $json).items) { $item.properties }
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception "$Class.$Method"))
        }
    }
}

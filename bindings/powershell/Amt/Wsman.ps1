# Provisioned machines by WS-Man.

# Selectors and arguments as the library takes them; nothing stays nothing.
function ConvertTo-AmtJson {
    param([System.Collections.IDictionary] $Values)

    if ($null -eq $Values -or $Values.Count -eq 0) { return '' }
    return ConvertTo-Json -Compress -Depth 20 $Values
}

function Connect-AmtMachine {
    <#
    .SYNOPSIS
    Opens a provisioned machine, for Get-AmtInstance, Set-AmtInstance and Invoke-AmtMethod.
    .DESCRIPTION
    Nothing is sent before the first of them. The machine is taken for genuine if its certificate is of the authority given and carries
    the host name given.
    .PARAMETER Address
    Its IP address.
    .PARAMETER Credential
    An account of its firmware, such as admin.
    .PARAMETER AuthorityPath
    Certificates (PEM) of the authorities to trust.
    .PARAMETER HostName
    The name that the machine's certificate carries, with its domain.
    .PARAMETER Port
    Another TLS port than 16993.
    .EXAMPLE
    $machine = Connect-AmtMachine 10.0.0.5 (Get-Credential admin) -AuthorityPath ca.pem -HostName pc1.example.com
    .INPUTS
    Objects with Address and HostName.
    .OUTPUTS
    Amt.Device. Its Dispose method ends the connection.
    #>
    [CmdletBinding()]
    [OutputType([Amt.Device])]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipelineByPropertyName = $true)]
        [System.Net.IPAddress] $Address,

        [Parameter(Mandatory = $true, Position = 1)]
        [System.Management.Automation.PSCredential] $Credential,

        [Parameter(Mandatory = $true)]
        [string] $AuthorityPath,

        [Parameter(Mandatory = $true, ValueFromPipelineByPropertyName = $true)]
        [string] $HostName,

        [ValidateRange(0, 65535)]
        [int] $Port = 0
    )

    process {
        try {
            $device = New-Object Amt.Device $Address, $Credential.UserName, $Credential.Password, $Port
            $device.TrustRoots([System.IO.File]::ReadAllBytes((Resolve-AmtPath $AuthorityPath)), $HostName)
            $device
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Address))
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

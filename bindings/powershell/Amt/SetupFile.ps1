# What a firmware can do, pre-shared pairs, and files for USB sticks.

function Get-AmtCapability {
    <#
    .SYNOPSIS
    Tells what a firmware can do.
    .DESCRIPTION
    Looks the version up in the library's matrix; no machine is asked.
    .PARAMETER Firmware
    Versions, for example 16.1 or 11.8.65.3590.
    .EXAMPLE
    '9.5', '16.1' | Get-AmtCapability | Format-Table version, tls, engine
    .INPUTS
    Versions as text.
    .OUTPUTS
    Objects with a truth value for each feature, and version, tls, engine, suites, root_hashes and others.
    #>
    [CmdletBinding()]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true)]
        [string[]] $Firmware
    )

    process {
        foreach ($item in $Firmware) {
            try {
                [Amt.Capabilities]::Of($item) | ConvertFrom-Json
            }
            catch {
                $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $item))
            }
        }
    }
}

function New-AmtPsk {
    <#
    .SYNOPSIS
    Makes pre-shared pairs of PID and PPS, for machines of AMT 2 to 10.
    .DESCRIPTION
    Makes them out of the system's randomness and stores nothing: the setup server needs them too.
    .PARAMETER Count
    How many.
    .EXAMPLE
    New-AmtPsk -Count 3
    .OUTPUTS
    Amt.Psk, with Pid and GetPps(), which gives a secure string.
    #>
    [CmdletBinding(SupportsShouldProcess = $true)]
    [OutputType([Amt.Psk])]
    param(
        [Parameter(Position = 0)]
        [ValidateRange(1, 10000)]
        [int] $Count = 1
    )

    if (-not $PSCmdlet.ShouldProcess("$Count pairs", 'Make')) { return }
    for ($made = 0; $made -lt $Count; $made++) { [Amt.Psk]::Generate('') }
}

function New-AmtSetupFile {
    <#
    .SYNOPSIS
    Writes a setup.bin for a USB stick.
    .DESCRIPTION
    A machine that starts with the stick takes the new password of its setup menu from it, and a pre-shared pair if there is one. The
    file holds secrets: keep it on the stick alone.
    .PARAMETER Path
    The file to write.
    .PARAMETER CurrentCredential
    The password that the setup menu has now; without it that of the factory.
    .PARAMETER Credential
    The password that the setup menu gets; the user name does not matter.
    .PARAMETER Psk
    A pair, from New-AmtPsk; machines of AMT 2 to 10 only.
    .EXAMPLE
    New-AmtPsk | New-AmtSetupFile E:\setup.bin -Credential (Get-Credential mebx)
    .INPUTS
    Amt.Psk
    .OUTPUTS
    An object with Path, Bytes and Pid.
    #>
    [CmdletBinding(SupportsShouldProcess = $true)]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true, Position = 0)]
        [string] $Path,

        [Parameter(Mandatory = $true)]
        [System.Management.Automation.PSCredential] $Credential,

        [System.Management.Automation.PSCredential] $CurrentCredential,

        [Parameter(ValueFromPipeline = $true)]
        [Amt.Psk] $Psk
    )

    process {
        if (-not $PSCmdlet.ShouldProcess($Path, 'Write a setup.bin')) { return }
        $file = $null
        try {
            $current = 'admin'
            if ($CurrentCredential) { $current = $CurrentCredential.GetNetworkCredential().Password }
            $entries = @{ current_password = $current; new_password = $Credential.GetNetworkCredential().Password }
            $name = $null
            if ($null -ne $Psk) {
                $name = $Psk.Pid
                $entries.pid = $name
                $entries.pps = (New-Object System.Net.NetworkCredential '', $Psk.GetPps($false)).Password
            }
            $file = [Amt.SetupBin]::FromJson((ConvertTo-Json -Compress -Depth 5 @{ records = @(@{ entries = $entries }) }))
            $bytes = $file.ToArray()
            [System.IO.File]::WriteAllBytes((Resolve-AmtPath $Path), $bytes)
            [pscustomobject]@{
                PSTypeName = 'Amt.SetupFileInfo'
                Path       = $Path
                Bytes      = $bytes.Length
                Pid        = $name
            }
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Path))
        }
        finally {
            if ($null -ne $file) { $file.Dispose() }
        }
    }
}

function Test-AmtSetupFile {
    <#
    .SYNOPSIS
    Tells everything that is wrong with a setup.bin.
    .DESCRIPTION
    Reads the file as a BIOS does, as far as it can be read. No output: nothing is wrong.
    .PARAMETER Path
    Files.
    .EXAMPLE
    Get-ChildItem E:\setup.bin | Test-AmtSetupFile | Where-Object Severity -eq Error
    .INPUTS
    Files, or paths as text.
    .OUTPUTS
    Amt.Finding, with Severity, Code, Field, Message and Hint.
    #>
    [CmdletBinding()]
    [OutputType([Amt.Finding])]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true, ValueFromPipelineByPropertyName = $true)]
        [Alias('FullName', 'PSPath')]
        [string[]] $Path
    )

    process {
        foreach ($item in $Path) {
            try {
                [Amt.SetupBin]::Lint([System.IO.File]::ReadAllBytes((Resolve-AmtPath $item)))
            }
            catch {
                $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $item))
            }
        }
    }
}

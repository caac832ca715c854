# The authorities that a machine trusts.

function Get-AmtAuthority {
    <#
    .SYNOPSIS
    Lists the authorities that a machine trusts.
    .DESCRIPTION
    And those above the certificate of its TLS server that it holds or presents, the root first. Whom the machine itself is taken for is said
    to Connect-AmtMachine.
    .PARAMETER Device
    What Connect-AmtMachine gave.
    .EXAMPLE
    Get-AmtAuthority $machine | Select-Object subject, not_after
    .INPUTS
    Amt.Device
    .OUTPUTS
    An object for each certificate: sha256, subject, issuer, root, not_before and not_after.
    #>
    [CmdletBinding()]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true)]
        [Amt.Device] $Device
    )

    process {
        try {
            $found = ConvertFrom-Json $Device.GetAuthorities()
            foreach ($item in $found.certificates) { $item }
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Device))
        }
    }
}

function Export-AmtAuthority {
    <#
    .SYNOPSIS
    Writes the authorities that a machine trusts to a file.
    .DESCRIPTION
    As PEM, the root first, for Add-AmtAuthority. An authority whose issuer the machine does not hold stands last and gives a warning: put its
    root before it, or the bundle is refused.
    .PARAMETER Device
    What Connect-AmtMachine gave.
    .PARAMETER Path
    The file to write.
    .EXAMPLE
    Export-AmtAuthority $machine trust.pem
    .INPUTS
    Amt.Device
    .OUTPUTS
    An object with Path and Certificates, how many there are.
    #>
    [CmdletBinding(SupportsShouldProcess = $true)]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true)]
        [Amt.Device] $Device,

        [Parameter(Mandatory = $true, Position = 1)]
        [string] $Path
    )

    process {
        if (-not $PSCmdlet.ShouldProcess($Path, "Write the authorities of $Device")) { return }
        try {
            $found = ConvertFrom-Json $Device.GetAuthorities()
            foreach ($item in $found.without_issuer) { Write-Warning "${Device}: it does not hold the issuer of $item" }
            [System.IO.File]::WriteAllText((Resolve-AmtPath $Path), $found.bundle)
            [pscustomobject]@{
                PSTypeName   = 'Amt.BundleInfo'
                Path         = $Path
                Certificates = @($found.certificates).Count
            }
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Device))
        }
    }
}

function Test-AmtAuthority {
    <#
    .SYNOPSIS
    Tells everything that is wrong with a bundle of authorities.
    .DESCRIPTION
    No machine is asked. No output: nothing is wrong with it.
    .PARAMETER Path
    Files (PEM), the root first in each.
    .EXAMPLE
    Test-AmtAuthority trust.pem | Where-Object Severity -eq Error
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
                [Amt.Device]::CheckAuthorities([System.IO.File]::ReadAllBytes((Resolve-AmtPath $item)))
            }
            catch {
                $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $item))
            }
        }
    }
}

function Add-AmtAuthority {
    <#
    .SYNOPSIS
    Has a machine trust the authorities of a bundle.
    .DESCRIPTION
    Adds those that it does not trust yet, in the bundle's order, and reads them back. Nothing is removed. A bundle that is wrong is refused before
    anything is sent; Test-AmtAuthority says all that is wrong with it. With -DryRun it is told what would be added, and nothing is written.
    .PARAMETER Device
    What Connect-AmtMachine gave.
    .PARAMETER Path
    The bundle (PEM), the root first.
    .PARAMETER DryRun
    Say what would be added, and write nothing.
    .EXAMPLE
    (Add-AmtAuthority $machine trust.pem -DryRun).added
    .INPUTS
    Amt.Device
    .OUTPUTS
    An object with dry_run, added, present and warnings.
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'Medium')]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true)]
        [Amt.Device] $Device,

        [Parameter(Mandatory = $true, Position = 1)]
        [string] $Path,

        [switch] $DryRun
    )

    process {
        if (-not $DryRun -and -not $PSCmdlet.ShouldProcess($Device, "Trust the authorities of $Path")) { return }
        try {
            $bundle = [System.IO.File]::ReadAllBytes((Resolve-AmtPath $Path))
            ConvertFrom-Json $Device.AddAuthorities($bundle, $DryRun.IsPresent)
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Device))
        }
    }
}

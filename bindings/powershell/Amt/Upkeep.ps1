# What changes how a machine is set up. Its record is in a file before anything that depends on it is sent.

# Takes the turns of an attempt to its end: the document that it ends in.
function Complete-AmtAttempt {
    param([Amt.Provisioning] $Attempt, [string] $RecordFile)

    try {
        while ($true) {
            # Short turns: between them PowerShell sees Control-C.
            $next = $Attempt.Next([timespan]::FromMilliseconds(500))
            if ($null -eq $next) { continue }
            Write-Verbose "$($next.Kind) $($next.Text)"
            try {
                if ($next.Kind -eq [Amt.ProvisioningEventKind]::Done) {
                    $outcome = $next.GetOutcome()
                    return ConvertFrom-Json $outcome.Result
                }
                if ($next.Kind -eq [Amt.ProvisioningEventKind]::Persist) {
                    $bytes = $next.GetRecord()
                    [Amt.RecordFile]::Store($RecordFile, $bytes)
                    [array]::Clear($bytes, 0, $bytes.Length)
                    $Attempt.Persisted()
                }
            }
            finally {
                $next.Dispose()
            }
        }
    }
    finally {
        $Attempt.Dispose()
    }
}

# Compares a machine with a profile, and makes it what that says unless $DryRun.
function Invoke-AmtConfiguration {
    param([Amt.Device] $Device, [string] $ProfilePath, [string] $RecordPath, [bool] $DryRun)

    $file = Resolve-AmtPath $ProfilePath
    $folder = [System.IO.Path]::GetDirectoryName($file)
    $store = Resolve-AmtPath $RecordPath
    $begun = $Device.Configure([System.IO.File]::ReadAllText($file), $folder, [Amt.RecordFile]::Load($store), $DryRun)
    Complete-AmtAttempt $begun $store
}

function Test-AmtProfile {
    <#
    .SYNOPSIS
    Tells everything that is wrong with a profile.
    .DESCRIPTION
    Unknown keys, wrong values, fields that contradict each other, and with -Firmware what that firmware cannot do. No output: nothing is
    wrong with it. Secrets that the profile names are not looked at.
    .PARAMETER Path
    The profile: TOML, or JSON.
    .PARAMETER Firmware
    A firmware version, for example 16.1.
    .EXAMPLE
    Test-AmtProfile office.toml -Firmware 16.1 | Where-Object Severity -eq Error
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
        [string] $Path,

        [string] $Firmware
    )

    process {
        try {
            [Amt.Profile]::Check([System.IO.File]::ReadAllText((Resolve-AmtPath $Path)), $Firmware)
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Path))
        }
    }
}

function Compare-AmtConfiguration {
    <#
    .SYNOPSIS
    Tells what differs between a machine and a profile.
    .DESCRIPTION
    Reads and compares, and writes nothing. The machine has to be opened as admin.
    .PARAMETER Device
    What Connect-AmtMachine gave.
    .PARAMETER ProfilePath
    The profile: TOML, or JSON. Files that it names are looked for in its folder.
    .PARAMETER RecordPath
    The file with the record of this machine's profiles; made on first use. It holds keyed digests of secrets, never these themselves.
    .EXAMPLE
    (Compare-AmtConfiguration $machine office.toml -RecordPath pc1.applied).changes
    .INPUTS
    Amt.Device
    .OUTPUTS
    An object with id, dry_run, changes, unsupported and writes.
    #>
    [CmdletBinding()]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true)]
        [Amt.Device] $Device,

        [Parameter(Mandatory = $true, Position = 1)]
        [string] $ProfilePath,

        [Parameter(Mandatory = $true)]
        [string] $RecordPath
    )

    process {
        try {
            Invoke-AmtConfiguration $Device $ProfilePath $RecordPath $true
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Device))
        }
    }
}

function Set-AmtConfiguration {
    <#
    .SYNOPSIS
    Makes a machine what a profile says.
    .DESCRIPTION
    Reads, compares, writes only what differs, and reads it back. A machine that is as it should be is left alone. The record is stored before
    anything is written. The machine has to be opened as admin.
    .PARAMETER Device
    What Connect-AmtMachine gave.
    .PARAMETER ProfilePath
    The profile: TOML, or JSON. Files that it names are looked for in its folder.
    .PARAMETER RecordPath
    The file with the record of this machine's profiles; made on first use. It holds keyed digests of secrets, never these themselves.
    .EXAMPLE
    Set-AmtConfiguration $machine office.toml -RecordPath pc1.applied
    .INPUTS
    Amt.Device
    .OUTPUTS
    An object with id, dry_run, changes, unsupported and writes.
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'High')]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true)]
        [Amt.Device] $Device,

        [Parameter(Mandatory = $true, Position = 1)]
        [string] $ProfilePath,

        [Parameter(Mandatory = $true)]
        [string] $RecordPath
    )

    process {
        if (-not $PSCmdlet.ShouldProcess($Device, "Apply $ProfilePath")) { return }
        try {
            Invoke-AmtConfiguration $Device $ProfilePath $RecordPath $false
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Device))
        }
    }
}

function Reset-AmtPassword {
    <#
    .SYNOPSIS
    Gives the administrator of a machine another password.
    .DESCRIPTION
    The record has the new password and the old one before the new one is sent, and the new one alone after a login has proven it;
    ConvertFrom-AmtRecord reads it. What broke off is gone on with from the file. The machine has to be opened as admin; open it again
    with the new password afterwards.
    .PARAMETER Device
    What Connect-AmtMachine gave.
    .PARAMETER RecordPath
    The file with the machine's record; made on first use. It holds passwords in clear: keep it where only you read.
    .PARAMETER Credential
    The new password; the user name has to be admin. Without it a strong one is generated.
    .EXAMPLE
    Reset-AmtPassword $machine -RecordPath pc1.record; (ConvertFrom-AmtRecord pc1.record).AdminCredential[0]
    .INPUTS
    Amt.Device
    .OUTPUTS
    An object with id and changed.
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'High')]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true)]
        [Amt.Device] $Device,

        [Parameter(Mandatory = $true)]
        [string] $RecordPath,

        [ValidateScript({ $_.UserName -eq 'admin' })]
        [System.Management.Automation.PSCredential] $Credential
    )

    process {
        if (-not $PSCmdlet.ShouldProcess($Device, 'Change the password of admin')) { return }
        try {
            $store = Resolve-AmtPath $RecordPath
            $known = [Amt.RecordFile]::Load($store)
            $password = $null
            if ($Credential) { $password = $Credential.Password }
            $begun = $Device.Rotate($password, $known)
            Complete-AmtAttempt $begun $store
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Device))
        }
    }
}

function Reset-AmtSetup {
    <#
    .SYNOPSIS
    Takes the setup of a machine back, over the network.
    .DESCRIPTION
    Full erases all of it, Partial leaves names and the administrator's login. With -DryRun it is told what that would mean
    (consequences), and nothing is changed. The request is sent once; what the machine shows afterwards tells whether it was done. The
    machine has to be opened as admin.
    .PARAMETER Device
    What Connect-AmtMachine gave.
    .PARAMETER Extent
    Full or Partial.
    .PARAMETER RecordPath
    The file with the machine's record; made on first use. It holds passwords in clear: keep it where only you read.
    .PARAMETER DryRun
    Say what it would mean, and change nothing.
    .EXAMPLE
    (Reset-AmtSetup $machine Full -RecordPath pc1.record -DryRun).consequences
    .INPUTS
    Amt.Device
    .OUTPUTS
    An object with uuid, version, extent, before, changed, dry_run, proof, consequences and remains.
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'High')]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true)]
        [Amt.Device] $Device,

        [Parameter(Mandatory = $true, Position = 1)]
        [Amt.UnprovisionExtent] $Extent,

        [Parameter(Mandatory = $true)]
        [string] $RecordPath,

        [switch] $DryRun
    )

    process {
        if (-not $DryRun -and -not $PSCmdlet.ShouldProcess($Device, "Take the setup back: $Extent")) { return }
        try {
            $store = Resolve-AmtPath $RecordPath
            $begun = $Device.Unprovision($Extent, [Amt.RecordFile]::Load($store), $DryRun.IsPresent)
            Complete-AmtAttempt $begun $store
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Device))
        }
    }
}

function Update-AmtCertificate {
    <#
    .SYNOPSIS
    Gives a machine another certificate.
    .DESCRIPTION
    With a new key pair; the old one goes after a login under the new. What broke off is gone on with from the record, which is removed at the
    end. The machine has to be opened as admin.
    .PARAMETER Device
    What Connect-AmtMachine gave.
    .PARAMETER AuthorityPath
    The certificate (PEM) of the authority that signs the machine's certificate.
    .PARAMETER AuthorityKeyPath
    The authority's key (PEM).
    .PARAMETER RecordPath
    The file with the record of the renewal. It may hold the new key: keep it where only you read.
    .PARAMETER AtPercent
    Only if this much of the life of its certificate is over; 0: at once.
    .EXAMPLE
    Update-AmtCertificate $machine -AuthorityPath ca.pem -AuthorityKeyPath ca.key -RecordPath pc1.renewal -AtPercent 80
    .INPUTS
    Amt.Device
    .OUTPUTS
    An object with id, changed, certificate_sha256 and not_after.
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'High')]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true)]
        [Amt.Device] $Device,

        [Parameter(Mandatory = $true)]
        [string] $AuthorityPath,

        [Parameter(Mandatory = $true)]
        [string] $AuthorityKeyPath,

        [Parameter(Mandatory = $true)]
        [string] $RecordPath,

        [ValidateRange(0, 100)]
        [int] $AtPercent = 0
    )

    process {
        if (-not $PSCmdlet.ShouldProcess($Device, 'Renew its certificate')) { return }
        try {
            $store = Resolve-AmtPath $RecordPath
            $authority = New-Object Amt.AuthorityFiles (Resolve-AmtPath $AuthorityPath), (Resolve-AmtPath $AuthorityKeyPath)
            $begun = $Device.Renew($AtPercent, $authority, [Amt.RecordFile]::Load($store))
            Complete-AmtAttempt $begun $store
            [System.IO.File]::Delete($store)
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Device))
        }
    }
}

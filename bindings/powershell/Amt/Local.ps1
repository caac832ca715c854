# The machine that this runs on, by its own firmware; needs Administrator, or root.

# The way to the firmware of this machine.
function New-AmtLocalMachine {
    param([Amt.LocalRoute] $Route, [string] $CertificateSha256)

    $machine = New-Object Amt.LocalMachine
    $machine.SetRoute($Route, $null)
    if ($CertificateSha256) { $machine.TrustPin((ConvertFrom-AmtHex $CertificateSha256)) }
    return $machine
}

function Get-AmtLocalStatus {
    <#
    .SYNOPSIS
    Tells how the firmware of this machine stands.
    .DESCRIPTION
    And what would stop its setup. Changes nothing.
    .PARAMETER Route
    The way to the firmware's network services: Auto, Lms or Lme.
    .EXAMPLE
    (Get-AmtLocalStatus).findings
    .OUTPUTS
    An object with what amt info --json shows.
    #>
    [CmdletBinding()]
    [OutputType([pscustomobject])]
    param(
        [Amt.LocalRoute] $Route = 'Auto'
    )

    $machine = $null
    try {
        $machine = New-AmtLocalMachine $Route ''
        ConvertFrom-Json $machine.Status()
    }
    catch {
        $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Route))
    }
    finally {
        if ($null -ne $machine) { $machine.Dispose() }
    }
}

function Initialize-AmtLocalMachine {
    <#
    .SYNOPSIS
    Takes this machine to a control mode, without any server.
    .DESCRIPTION
    Its passwords are in the journal before the firmware gets them; if the attempt is broken off, by Control-C too, the next one goes on from the
    journal. The steps are told by -Verbose.
    .PARAMETER Mode
    Client, or Admin, which needs a provisioning certificate whose root the firmware trusts.
    .PARAMETER JournalPath
    The SQLite file with the journal; made on first use.
    .PARAMETER JournalKeyPath
    The file with the key that seals the journal's secrets; made on first use.
    .PARAMETER Certificate
    Provisioning certificates, from Import-AmtCertificate.
    .PARAMETER Chain
    Provisioning certificates for whose keys -Signer signs, in place of -Certificate.
    .PARAMETER Signer
    What signs for -Chain: as that of Initialize-AmtMachine.
    .PARAMETER Suffix
    The DNS suffix of the machine's network.
    .PARAMETER HostName
    The host name to set; without it the system's own.
    .PARAMETER Credential
    The password for the administrator of the machine; the user name has to be admin. Without it one is generated.
    .PARAMETER MebxCredential
    The password for the setup menu (MEBx); the user name does not matter. Without it one is generated.
    .PARAMETER Enable
    Switch AMT on where it is off.
    .PARAMETER Secure
    Set up over TLS also where the firmware does not demand it; AMT 14 and later, admin control mode.
    .PARAMETER Route
    The way to the firmware's network services: Auto, Lms or Lme.
    .PARAMETER CertificateSha256
    The SHA-256 of the only certificate to accept on the firmware's local TLS port, 64 hexadecimal digits; without it any.
    .EXAMPLE
    Initialize-AmtLocalMachine Client -JournalPath amt.db -JournalKeyPath amt.key
    .OUTPUTS
    An object with ControlMode, TlsVersion, TlsSuite and Firmware.
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'High')]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true, Position = 0)]
        [Amt.ControlMode] $Mode,

        [Parameter(Mandatory = $true)]
        [string] $JournalPath,

        [Parameter(Mandatory = $true)]
        [string] $JournalKeyPath,

        [Amt.Certificate[]] $Certificate,

        [Amt.Certificate[]] $Chain,

        [scriptblock] $Signer,

        [string] $Suffix,

        [string] $HostName,

        [ValidateScript({ $_.UserName -eq 'admin' })]
        [System.Management.Automation.PSCredential] $Credential,

        [System.Management.Automation.PSCredential] $MebxCredential,

        [switch] $Enable,

        [switch] $Secure,

        [Amt.LocalRoute] $Route = 'Auto',

        [ValidatePattern('^[0-9A-Fa-f]{64}$')]
        [string] $CertificateSha256
    )

    if (-not $PSCmdlet.ShouldProcess('this machine', "Set up: $Mode")) { return }
    $machine = $null
    $job = $null
    $attempt = $null
    try {
        $machine = New-AmtLocalMachine $Route $CertificateSha256
        $job = $machine.CreateJob()
        foreach ($item in $Certificate) { $job.AddCertificate($item) }
        foreach ($item in $Chain) { $job.AddChain($item) }
        $job.SetJournalFile((Resolve-AmtPath $JournalPath), (Resolve-AmtPath $JournalKeyPath))
        if ($Suffix) { $job.SetSuffix($Suffix) }
        if ($HostName) { $job.SetHostName($HostName) }
        if ($Credential) { $job.SetAdminPassword($Credential.Password) }
        if ($MebxCredential) { $job.SetMebxPassword($MebxCredential.Password) }

        $attempt = $machine.Activate($job, $Mode, $Enable.IsPresent, $Secure.IsPresent)
        $outcome = Complete-AmtSetup $attempt 'this machine' $Signer
        [pscustomobject]@{
            PSTypeName  = 'Amt.LocalMachineInfo'
            ControlMode = $outcome.ControlMode
            TlsVersion  = $outcome.TlsVersion
            TlsSuite    = $outcome.TlsSuite
            Firmware    = $outcome.Firmware
        }
    }
    catch {
        $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Mode))
    }
    finally {
        foreach ($item in $attempt, $job, $machine) {
            if ($null -ne $item) { $item.Dispose() }
        }
    }
}

function Reset-AmtLocalSetup {
    <#
    .SYNOPSIS
    Takes the setup of this machine back, without any server.
    .DESCRIPTION
    Admin control mode needs the administrator's password: the journal has it, or -KnownCredential.
    .PARAMETER Extent
    Full, or Partial, which leaves names and the administrator's login; from admin control mode only.
    .PARAMETER JournalPath
    The SQLite file with the journal; made on first use.
    .PARAMETER JournalKeyPath
    The file with the key that seals the journal's secrets; made on first use.
    .PARAMETER KnownCredential
    Passwords of admin to try.
    .PARAMETER Route
    The way to the firmware's network services: Auto, Lms or Lme.
    .PARAMETER CertificateSha256
    The SHA-256 of the only certificate to accept on the firmware's local TLS port, 64 hexadecimal digits; without it any.
    .EXAMPLE
    Reset-AmtLocalSetup Full -JournalPath amt.db -JournalKeyPath amt.key -WhatIf
    .OUTPUTS
    An object with ControlMode and Firmware.
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'High')]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true, Position = 0)]
        [Amt.UnprovisionExtent] $Extent,

        [Parameter(Mandatory = $true)]
        [string] $JournalPath,

        [Parameter(Mandatory = $true)]
        [string] $JournalKeyPath,

        [System.Management.Automation.PSCredential[]] $KnownCredential,

        [Amt.LocalRoute] $Route = 'Auto',

        [ValidatePattern('^[0-9A-Fa-f]{64}$')]
        [string] $CertificateSha256
    )

    if (-not $PSCmdlet.ShouldProcess('this machine', "Take the setup back: $Extent")) { return }
    $machine = $null
    $job = $null
    $attempt = $null
    try {
        $machine = New-AmtLocalMachine $Route $CertificateSha256
        $job = $machine.CreateJob()
        $job.SetJournalFile((Resolve-AmtPath $JournalPath), (Resolve-AmtPath $JournalKeyPath))
        foreach ($known in $KnownCredential) { $job.AddKnownPassword($known.Password) }

        $attempt = $machine.Unprovision($job, $Extent)
        $outcome = Complete-AmtSetup $attempt 'this machine'
        [pscustomobject]@{
            PSTypeName  = 'Amt.LocalMachineInfo'
            ControlMode = $outcome.ControlMode
            Firmware    = $outcome.Firmware
        }
    }
    catch {
        $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Extent))
    }
    finally {
        foreach ($item in $attempt, $job, $machine) {
            if ($null -ne $item) { $item.Dispose() }
        }
    }
}

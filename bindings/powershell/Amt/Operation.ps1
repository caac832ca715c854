# A provisioned machine in operation: power, next boot, logs, inventory, sessions, clock.

function Get-AmtPower {
    <#
    .SYNOPSIS
    Tells how the computer of a machine stands.
    .DESCRIPTION
    And what its firmware can do with it now: state, state_number, available, other_states.
    .PARAMETER Device
    What Connect-AmtMachine gave.
    .EXAMPLE
    Get-AmtPower $machine
    .INPUTS
    Amt.Device
    .OUTPUTS
    An object with what amt power status --json shows.
    #>
    [CmdletBinding()]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true)]
        [Amt.Device] $Device
    )

    process {
        try {
            ConvertFrom-Json $Device.GetPower()
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Device))
        }
    }
}

function Invoke-AmtPowerAction {
    <#
    .SYNOPSIS
    Has the computer of a machine do something, once.
    .DESCRIPTION
    What is not possible now is refused before it is sent. SoftOff, SoftReset, Sleep and Hibernate are carried out by the operating system and
    need Intel's agent (LMS) in it; of the others what was not saved is lost.
    .PARAMETER Device
    What Connect-AmtMachine gave.
    .PARAMETER Action
    On, Off, Cycle, Reset, SoftOff, SoftReset, Sleep, Hibernate or Nmi.
    .EXAMPLE
    Invoke-AmtPowerAction $machine Cycle
    .INPUTS
    Amt.Device
    .OUTPUTS
    An object with action, before and answer: accepted, or lost where only the state shows that it was done.
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'High')]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true)]
        [Amt.Device] $Device,

        [Parameter(Mandatory = $true, Position = 1)]
        [Amt.PowerAction] $Action
    )

    process {
        if (-not $PSCmdlet.ShouldProcess($Device, "Power: $Action")) { return }
        try {
            ConvertFrom-Json $Device.Power($Action)
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Device))
        }
    }
}

function Get-AmtBoot {
    <#
    .SYNOPSIS
    Tells how the next boot of a machine is set.
    .DESCRIPTION
    And what is possible. Firmware does not tell the source.
    .PARAMETER Device
    What Connect-AmtMachine gave.
    .EXAMPLE
    (Get-AmtBoot $machine).possible
    .INPUTS
    Amt.Device
    .OUTPUTS
    An object with armed, options, options_cleared and possible.
    #>
    [CmdletBinding()]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true)]
        [Amt.Device] $Device
    )

    process {
        try {
            ConvertFrom-Json $Device.GetBoot()
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Device))
        }
    }
}

function Set-AmtBoot {
    <#
    .SYNOPSIS
    Sets the next boot of a machine, for once, and starts it.
    .DESCRIPTION
    A computer that runs is reset, one that is off is switched on, unless -Then says otherwise. A step that is refused takes back what
    was set. In client control mode the firmware wants the consent of the user at the machine.
    .PARAMETER Device
    What Connect-AmtMachine gave.
    .PARAMETER Source
    Pxe, Disk, Cd, Bios or Https.
    .PARAMETER Then
    Start, Reset, On, Cycle, or Nothing: it counts whenever the computer starts next.
    .PARAMETER Url
    What is booted over HTTPS; AMT 16 and later.
    .PARAMETER SerialOverLan
    Send its console over the network during this boot.
    .EXAMPLE
    Set-AmtBoot $machine Pxe
    .INPUTS
    Amt.Device
    .OUTPUTS
    An object with next, url, sol and power.
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'High')]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true)]
        [Amt.Device] $Device,

        [Parameter(Mandatory = $true, Position = 1)]
        [Amt.BootSource] $Source,

        [Amt.BootThen] $Then = 'Start',

        [string] $Url,

        [switch] $SerialOverLan
    )

    process {
        if (-not $PSCmdlet.ShouldProcess($Device, "Boot once: $Source, then $Then")) { return }
        try {
            # A [string] parameter that was not given is empty, which the library takes as none.
            ConvertFrom-Json $Device.Boot($Source, $Then, $Url, $SerialOverLan.IsPresent)
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Device))
        }
    }
}

function Clear-AmtBoot {
    <#
    .SYNOPSIS
    Takes back what Set-AmtBoot set.
    .DESCRIPTION
    The next boot is one like any other.
    .PARAMETER Device
    What Connect-AmtMachine gave.
    .EXAMPLE
    Clear-AmtBoot $machine
    .INPUTS
    Amt.Device
    .OUTPUTS
    None.
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'Medium')]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true)]
        [Amt.Device] $Device
    )

    process {
        if (-not $PSCmdlet.ShouldProcess($Device, 'Clear the next boot')) { return }
        try {
            $Device.ClearBoot()
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Device))
        }
    }
}

function Get-AmtEventLog {
    <#
    .SYNOPSIS
    Reads the event log of a machine.
    .DESCRIPTION
    What sensors, BIOS and firmware report, the newest first.
    .PARAMETER Device
    What Connect-AmtMachine gave.
    .EXAMPLE
    Get-AmtEventLog $machine | Where-Object severity -eq critical
    .INPUTS
    Amt.Device
    .OUTPUTS
    An object for each record: time, severity, sensor, entity, text and the numbers behind them.
    #>
    [CmdletBinding()]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true)]
        [Amt.Device] $Device
    )

    process {
        try {
            (ConvertFrom-Json $Device.GetEventLog()).records
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Device))
        }
    }
}

function Clear-AmtEventLog {
    <#
    .SYNOPSIS
    Removes all events of a machine.
    .DESCRIPTION
    A frozen log cannot be cleared.
    .PARAMETER Device
    What Connect-AmtMachine gave.
    .EXAMPLE
    Clear-AmtEventLog $machine
    .INPUTS
    Amt.Device
    .OUTPUTS
    None.
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'Medium')]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true)]
        [Amt.Device] $Device
    )

    process {
        if (-not $PSCmdlet.ShouldProcess($Device, 'Clear the event log')) { return }
        try {
            $Device.ClearEventLog()
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Device))
        }
    }
}

function Get-AmtAuditLog {
    <#
    .SYNOPSIS
    Reads the audit log of a machine.
    .DESCRIPTION
    Who did what, when and from where, the oldest first. The user needs realm 20 (audit log) or 3 (administration).
    .PARAMETER Device
    What Connect-AmtMachine gave.
    .EXAMPLE
    Get-AmtAuditLog $machine | Select-Object time, user, event
    .INPUTS
    Amt.Device
    .OUTPUTS
    An object for each record: time, application, event, initiator, user, address and what is behind them.
    #>
    [CmdletBinding()]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true)]
        [Amt.Device] $Device
    )

    process {
        try {
            (ConvertFrom-Json $Device.GetAuditLog()).records
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Device))
        }
    }
}

function Get-AmtInventory {
    <#
    .SYNOPSIS
    Tells what a machine is made of.
    .DESCRIPTION
    The firmware has it from the BIOS: it answers while the computer is off too.
    .PARAMETER Device
    What Connect-AmtMachine gave.
    .EXAMPLE
    (Get-AmtInventory $machine).memory
    .INPUTS
    Amt.Device
    .OUTPUTS
    An object with what amt inventory --json shows.
    #>
    [CmdletBinding()]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true)]
        [Amt.Device] $Device
    )

    process {
        try {
            ConvertFrom-Json $Device.GetInventory()
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Device))
        }
    }
}

function Get-AmtStatus {
    <#
    .SYNOPSIS
    Tells whether and by whom a machine was set up.
    .DESCRIPTION
    And its names, firmware and certificate. The machine has to be opened as admin.
    .PARAMETER Device
    What Connect-AmtMachine gave.
    .EXAMPLE
    (Get-AmtStatus $machine).control_mode
    .INPUTS
    Amt.Device
    .OUTPUTS
    An object with what amt status --json shows.
    #>
    [CmdletBinding()]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true)]
        [Amt.Device] $Device
    )

    process {
        try {
            ConvertFrom-Json $Device.GetStatus()
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Device))
        }
    }
}

function Suspend-AmtEventLog {
    <#
    .SYNOPSIS
    Keeps new events out of the event log of a machine.
    .DESCRIPTION
    The log is frozen as it stands, until Resume-AmtEventLog. A frozen log cannot be cleared.
    .PARAMETER Device
    What Connect-AmtMachine gave.
    .EXAMPLE
    Suspend-AmtEventLog $machine
    .INPUTS
    Amt.Device
    .OUTPUTS
    None.
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'Medium')]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true)]
        [Amt.Device] $Device
    )

    process {
        if (-not $PSCmdlet.ShouldProcess($Device, 'Freeze the event log')) { return }
        try {
            $Device.FreezeEventLog($true)
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Device))
        }
    }
}

function Resume-AmtEventLog {
    <#
    .SYNOPSIS
    Lets new events into the event log of a machine again.
    .DESCRIPTION
    Takes back what Suspend-AmtEventLog did.
    .PARAMETER Device
    What Connect-AmtMachine gave.
    .EXAMPLE
    Resume-AmtEventLog $machine
    .INPUTS
    Amt.Device
    .OUTPUTS
    None.
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'Medium')]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true)]
        [Amt.Device] $Device
    )

    process {
        if (-not $PSCmdlet.ShouldProcess($Device, 'Let events into the log again')) { return }
        try {
            $Device.FreezeEventLog($false)
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Device))
        }
    }
}

function Get-AmtSession {
    <#
    .SYNOPSIS
    Tells which of serial line, remote drives and screen of a machine are free or taken.
    .DESCRIPTION
    And how far the consent of its user is. Asking holds nothing. The user needs realm 2 (redirection) or 3 (administration).
    .PARAMETER Device
    What Connect-AmtMachine gave.
    .PARAMETER RedirectionPort
    Another port of redirection than 16995, or 16994 without TLS.
    .EXAMPLE
    (Get-AmtSession $machine).sessions.screen.state
    .INPUTS
    Amt.Device
    .OUTPUTS
    An object with listener, sessions (serial, drives and screen, each with state and why) and consent.
    #>
    [CmdletBinding()]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true)]
        [Amt.Device] $Device,

        [uint16] $RedirectionPort = 0
    )

    process {
        try {
            ConvertFrom-Json $Device.GetSessions($RedirectionPort)
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Device))
        }
    }
}

function Get-AmtClock {
    <#
    .SYNOPSIS
    Tells how far the clock of a machine is off.
    .DESCRIPTION
    By this computer's clock. The machine has to be opened as admin.
    .PARAMETER Device
    What Connect-AmtMachine gave.
    .EXAMPLE
    (Get-AmtClock $machine).drift_seconds
    .INPUTS
    Amt.Device
    .OUTPUTS
    An object with what amt clock --json shows; drift_seconds below zero: behind.
    #>
    [CmdletBinding()]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true)]
        [Amt.Device] $Device
    )

    process {
        try {
            ConvertFrom-Json $Device.GetClock()
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Device))
        }
    }
}

function Set-AmtClock {
    <#
    .SYNOPSIS
    Makes the clock of a machine right.
    .DESCRIPTION
    By this computer's clock, if it is off by more than ten seconds, and reads it back. The machine has to be opened as admin.
    .PARAMETER Device
    What Connect-AmtMachine gave.
    .EXAMPLE
    Set-AmtClock $machine
    .INPUTS
    Amt.Device
    .OUTPUTS
    An object with what amt clock --set --json shows: drift_seconds as it was found, and set.
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'Medium')]
    [OutputType([pscustomobject])]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true)]
        [Amt.Device] $Device
    )

    process {
        if (-not $PSCmdlet.ShouldProcess($Device, 'Set the clock')) { return }
        try {
            ConvertFrom-Json $Device.SetClock()
        }
        catch {
            $PSCmdlet.WriteError((New-AmtErrorRecord $_.Exception $Device))
        }
    }
}

@{
    RootModule = 'Amt.psm1'
    ModuleVersion = '0.1.0'
    GUID = '5f0c1c56-9b0e-4d0b-8f0d-6a3f3f3c7a11'
    Author = 'The amt authors'
    Copyright = 'Apache-2.0 OR MIT'
    Description = 'Provisions Intel AMT / vPro machines: decodes hellos, checks provisioning certificates, takes machines to admin control mode, reads, operates and changes them; writes setup.bin files.'
    PowerShellVersion = '5.1'
    CompatiblePSEditions = @('Desktop', 'Core')
    ProcessorArchitecture = 'Amd64'
    # A release puts Amt.dll and the C library (amt-1.dll, libamt-1.so) into lib.
    RequiredAssemblies = @('lib/Amt.dll')
    FunctionsToExport = @(
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
    CmdletsToExport = @()
    VariablesToExport = @()
    AliasesToExport = @()
    PrivateData = @{
        PSData = @{
            Tags = @('AMT', 'vPro', 'provisioning')
            Prerelease = 'preview'
        }
    }
}

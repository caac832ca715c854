//! Every command and every answer that has a fixed shape (`spec/heci.md` §3.3). A new one is a line in the table.

use super::Command;
use super::account::LocalSystemAccount;
use super::field::{DnsSuffixes, Field, HashHandles, IpText, Ipv6Addresses, Mac, Rest};
use super::version::CodeVersions;
use amt_core::codec::{DecodeError, Reader};
use amt_core::{Secret, SystemId};
use std::net::Ipv4Addr;

/// A struct whose fields follow one another.
macro_rules! record {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }

        impl Field for $name {
            #[allow(unused_variables, reason = "a record may be empty")]
            fn read(reader: &mut Reader<'_>, _: &'static str) -> Result<Self, DecodeError> {
                Ok(Self {
                    $($field: Field::read(reader, concat!("amthi.", stringify!($name), ".", stringify!($field)))?,)*
                })
            }

            #[allow(unused_variables, reason = "a record may be empty")]
            fn write(&self, out: &mut Vec<u8>) {
                $(self.$field.write(out);)*
            }
        }
    };
}

/// Answers.
macro_rules! answers {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {
        $(record! { $(#[$doc])* $name { $($(#[$field_doc])* $field: $type,)* } })*
    };
}

/// Commands: number, whether it may be asked twice (`get`) or not (`set`), its fields, its answer.
macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident = $code:literal $kind:ident
        { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* } -> $answer:ty;)*) => {
        $(
            record! { $(#[$doc])* $name { $($(#[$field_doc])* $field: $type,)* } }

            impl Command for $name {
                const CODE: u32 = $code;
                const NAME: &'static str = stringify!($name);
                const REPEATABLE: bool = commands!(@repeatable $kind);
                type Answer = $answer;
            }
        )*

        /// Number, name and whether it may be asked twice, of every command of the table.
        pub const COMMANDS: &[(u32, &str, bool)] = &[$(($code, stringify!($name), commands!(@repeatable $kind)),)*];
    };
    (@repeatable get) => { true };
    (@repeatable set) => { false };
}

answers! {
    /// IPv4 of the wired interface.
    TcpipParameters {
        /// 0 none, 1 off, 2 on.
        dhcp: u32,
        /// Own address; 0.0.0.0: none.
        address: Ipv4Addr,
        /// Network mask.
        mask: Ipv4Addr,
        /// Default gateway.
        gateway: Ipv4Addr,
        /// First name server.
        dns1: Ipv4Addr,
        /// Second name server.
        dns2: Ipv4Addr,
        /// Domain.
        domain: String,
    }
    /// How the machine is provisioned. Says nothing about whether it is.
    ProvisioningMode {
        /// 0 none, 1 enterprise, 2 small business, 3 remote assistance.
        mode: u32,
        /// Whether it is the mode of older firmware.
        legacy: bool,
    }
    /// How far provisioning has come.
    ProvisioningState {
        /// 0 before, 1 in, 2 after it.
        state: u32,
    }
    /// What is on, and what there is.
    SecurityParameters {
        /// Enterprise mode.
        enterprise: u32,
        /// TLS.
        tls: u32,
        /// Cryptography in hardware.
        hardware_crypto: u32,
        /// Provisioning state.
        provisioning_state: u32,
        /// Network interface.
        network: u32,
        /// Serial over LAN.
        sol: u32,
        /// Storage redirection.
        ider: u32,
        /// Firmware update.
        firmware_update: u32,
        /// Link.
        link_up: u32,
        /// KVM.
        kvm: u32,
        /// Without public meaning.
        reserved: [u8; 28],
    }
    /// A truth value.
    Flag {
        /// The value.
        value: bool,
    }
    /// Hardware addresses.
    MacAddresses {
        /// The firmware's own; zero where it shares the host's.
        dedicated: Mac,
        /// The host's.
        host: Mac,
    }
    /// A number.
    Number {
        /// The number.
        value: u32,
    }
    /// A root hash that the firmware trusts if it is active.
    CertHashEntry {
        /// It came from the factory.
        is_default: bool,
        /// It counts.
        is_active: bool,
        /// Filled up with 0; see [`digest`](Self::digest).
        hash: [u8; 64],
        /// How it was made.
        algorithm: u8,
        /// Name of the certificate.
        name: String,
    }
    /// A text.
    Text {
        /// The text.
        text: String,
    }
    /// Identity of the pre-shared pair.
    PidAnswer {
        /// Eight characters.
        pid: [u8; 8],
    }
    /// Names separated by NUL.
    DnsSuffixList {
        /// The names.
        suffixes: DnsSuffixes,
    }
    /// The connection to a management presence server (CIRA).
    RemoteAccessStatus {
        /// 0 direct, 1 VPN, 2 outside, 3 unknown.
        network: u32,
        /// 0 not connected, 1 connecting, 2 connected.
        state: u32,
        /// 0 user, 1 alert; sources disagree about the others.
        trigger: u32,
        /// Server.
        server: String,
    }
    /// A network interface.
    LanInterface {
        /// It is used.
        enabled: bool,
        /// Its address; 0.0.0.0 while the link is down.
        address: Ipv4Addr,
        /// It uses DHCP.
        dhcp: bool,
        /// 1 active, 2 passive.
        dhcp_mode: u8,
        /// 1: there is a link.
        link_up: u8,
        /// Its hardware address; zero where there is no such interface.
        mac: Mac,
    }
    /// Features; the rest depends on which were asked for.
    FeaturesState {
        /// Which.
        id: u32,
        /// Their state.
        state: Rest,
    }
    /// Why the host was reset last.
    HostReset {
        /// 0 remote control, 1 other.
        reason: u32,
        /// Seconds since 1970.
        time: u32,
    }
    /// The setup server that the setup menu or a USB key named.
    ConfigServer {
        /// Its port.
        port: u16,
        /// Its address.
        address: IpText,
        /// Its name.
        fqdn: String,
    }
    /// Who set the machine up last.
    MeSetupAuditRecord {
        /// 1 pre-shared, 2 certificates.
        tls_mode: u8,
        /// The name came by secure DNS.
        secure_dns: bool,
        /// The machine's own system began it.
        host_initiated: bool,
        /// Algorithm of the root hash.
        hash_type: u32,
        /// The root hash, filled up with 0.
        hash: [u8; 64],
        /// Serial numbers of the chain.
        serials: [u8; 48],
        /// More than these serial numbers.
        additional_serials: bool,
        /// The root hash is one of the factory's.
        is_oem_default: bool,
        /// The time is valid.
        is_time_valid: bool,
        /// The setup server.
        server: IpText,
        /// Year, month, day of week, day, hour, minute, second.
        time: [u16; 7],
        /// Name of the setup server.
        fqdn: String,
    }
    /// IPv6 of an interface.
    Ipv6Status {
        /// Default router.
        router: IpText,
        /// First name server.
        dns1: IpText,
        /// Second name server.
        dns2: IpText,
        /// Addresses.
        addresses: Ipv6Addresses,
    }
    /// The firmware's own name.
    FqdnAnswer {
        /// It is the host's too.
        shared: bool,
        /// It registers itself in DNS.
        ddns: bool,
        /// Minutes between registrations.
        interval: u32,
        /// Seconds that a registration holds.
        ttl: u32,
        /// How much of the name is the host's.
        host_name_length: u32,
        /// The name.
        fqdn: String,
    }
    /// UUID of the machine.
    UuidAnswer {
        /// In SMBIOS order.
        uuid: SystemId,
    }
    /// How the machine is controlled.
    ControlModeAnswer {
        /// 0 not at all, 1 client, 2 admin.
        mode: u32,
    }
    /// The certificate that the firmware will present on its local TLS port.
    SecureConfiguration {
        /// 2: SHA-256, 3: SHA-384.
        algorithm: u8,
        /// Hash of the certificate (DER), filled up with 0.
        hash: [u8; 64],
    }
    /// State of the network side.
    AmtState {
        /// Which variable.
        variable: [u8; 16],
        /// Bytes that follow: 5.
        count: u32,
        /// 1: there is a link.
        link_up: u8,
        /// Reserved, or the hardware's SKU.
        hardware: u8,
        /// Cryptography is fused.
        crypto_fuse: u8,
        /// Flash is protected.
        flash_protected: u8,
        /// Why the host was reset last.
        last_reset: u8,
    }
}

commands! {
    /// IPv4 of the wired interface.
    GetTcpipParameters = 0x0400_0006 get {} -> TcpipParameters;
    /// Enterprise or small business.
    GetProvisioningMode = 0x0400_0008 get {} -> ProvisioningMode;
    /// Ends client control mode. The firmware refuses in admin control mode (3) and while an auditor blocks (0x81C).
    Unprovision = 0x0400_0010 set {
        /// Not looked at; 0.
        mode: u32,
    } -> ();
    /// Before, in or after provisioning.
    GetProvisioningState = 0x0400_0011 get {} -> ProvisioningState;
    /// Versions of BIOS and firmware.
    GetCodeVersions = 0x0400_001A get {} -> CodeVersions;
    /// What is on.
    GetSecurityParameters = 0x0400_001B get {} -> SecurityParameters;
    /// Whether the administrator's password over the network is still the factory's.
    GetAdminNetAclEntryStatus = 0x0400_001E get {} -> Flag;
    /// Hardware addresses.
    GetMacAddresses = 0x0400_0025 get {} -> MacAddresses;
    /// Who set the machine up, in an older form that is not public.
    GetAmtSetupAuditRecord = 0x0400_0027 get {} -> Rest;
    /// Makes random numbers for keys. Status 0x2F: it has begun.
    GenerateRngSeed = 0x0400_0028 set {} -> ();
    /// Opens the window of remote configuration, AMT before 6.
    StartConfiguration = 0x0400_0029 set {} -> ();
    /// The one-time password that a setup server must know.
    SetProvisioningServerOtp = 0x0400_002A set {
        /// At most 32 printable characters.
        otp: Secret<String>,
    } -> ();
    /// 0 not ready, 1 pre-shared, 2 certificates.
    GetProvisioningTlsMode = 0x0400_002B get {} -> Number;
    /// Handles of the root hashes.
    EnumerateHashHandles = 0x0400_002C get {} -> HashHandles;
    /// One root hash.
    GetCertHashEntry = 0x0400_002D get {
        /// Which.
        handle: u32,
    } -> CertHashEntry;
    /// 0 there are random numbers, 1 they are being made, 2 there are none.
    GetRngSeedStatus = 0x0400_002E get {} -> Number;
    /// DNS suffix that the setup server's certificate must be for; before provisioning only.
    SetPkiFqdnSuffix = 0x0400_002F set {
        /// At most 223 bytes.
        suffix: String,
    } -> ();
    /// Whether remote configuration is switched on.
    GetZeroTouchEnabled = 0x0400_0030 get {} -> Flag;
    /// DNS suffix of the setup menu.
    GetPkiFqdnSuffix = 0x0400_0036 get {} -> Text;
    /// Switches remote configuration; only off since ME 12.
    SetZeroTouchEnabled = 0x0400_003A set {
        /// On.
        enabled: bool,
    } -> ();
    /// Identity of the pre-shared pair; gone in AMT 11.
    GetPid = 0x0400_003B get {} -> PidAnswer;
    /// DNS suffixes that the firmware knows.
    GetDnsSuffixList = 0x0400_003E get {} -> DnsSuffixList;
    /// Tells the firmware whether its system is inside the enterprise's network. Statuses 0x200 to 0x203, which come as refusals, say
    /// what it makes of that.
    SetEnterpriseAccess = 0x0400_003F set {
        /// Bit 0: the address is IPv6.
        flags: u8,
        /// Address of the host.
        address: [u8; 16],
        /// 1: inside.
        access: u8,
    } -> ();
    /// Calls the management presence server.
    OpenUserInitiatedConnection = 0x0400_0044 set {} -> ();
    /// Ends that.
    CloseUserInitiatedConnection = 0x0400_0045 set {} -> ();
    /// The connection to a management presence server.
    GetRemoteAccessConnectionStatus = 0x0400_0046 get {} -> RemoteAccessStatus;
    /// The power policy's name.
    GetCurrentPowerPolicy = 0x0400_0047 get {} -> Text;
    /// A network interface.
    GetLanInterfaceSettings = 0x0400_0048 get {
        /// 0 wired, 1 wireless.
        interface: u32,
    } -> LanInterface;
    /// Features.
    GetFeaturesState = 0x0400_0049 get {
        /// 0 redirection, 1 system defence, 2 web pages, 3 endpoint access, 4 KVM.
        id: u32,
    } -> FeaturesState;
    /// Why the host was reset last.
    GetLastHostResetReason = 0x0400_004A get {} -> HostReset;
    /// Who may call for help: bit 0 the BIOS, bit 1 the system.
    GetUserInitiatedEnabledInterfaces = 0x0400_004D get {} -> Number;
    /// The setup server that the setup menu or a USB key named.
    GetConfigServerData = 0x0400_004E get {} -> ConfigServer;
    /// Who set the machine up last.
    GetMeSetupAuditRecord = 0x0400_0050 get {} -> MeSetupAuditRecord;
    /// IPv6 of an interface.
    GetIpv6LanStatus = 0x0400_0052 get {
        /// 0 wired, 1 wireless.
        interface: u32,
    } -> Ipv6Status;
    /// The firmware's own name.
    GetFqdn = 0x0400_0056 get {} -> FqdnAnswer;
    /// Bits: serial over LAN, storage redirection, KVM.
    GetRedirectionState = 0x0400_0058 get {} -> Number;
    /// Tells the firmware the system's name.
    SetHostFqdn = 0x0400_005B set {
        /// The name.
        fqdn: String,
    } -> ();
    /// UUID of the machine.
    GetUuid = 0x0400_005C get {} -> UuidAnswer;
    /// Closes the window of remote configuration. Status 3: there was nothing to close.
    StopConfiguration = 0x0400_005E set {} -> ();
    /// Opens the window of remote configuration, AMT 6 and later.
    StartConfigurationEx = 0x0400_0062 set {
        /// Over IPv6 too.
        ipv6: bool,
    } -> ();
    /// What opens WS-Man for a program in the machine's own system.
    GetLocalSystemAccount = 0x0400_0067 get {
        /// Zero.
        reserved: [u8; 40],
    } -> LocalSystemAccount;
    /// Client or admin control mode. Firmware before 6.2 does not know it.
    GetControlMode = 0x0400_006B get {} -> ControlModeAnswer;
    /// Whether embedded host-based configuration is on.
    GetEhbcState = 0x0400_0084 get {} -> Number;
    /// Switches it; before the end of manufacturing only.
    SetEhbcState = 0x0400_0085 set {
        /// 1: on.
        state: u32,
    } -> ();
    /// Records of the audit log.
    GetAuditLogRecords = 0x0400_0087 get {
        /// The first.
        start: u32,
    } -> Rest;
    /// Switches AMT off and clears it; AMT 12 and later, before provisioning.
    DisableAndClearAmt = 0x0400_0088 set {} -> ();
    /// Signature of the audit log.
    GetAuditLogSignature = 0x0400_008C get {
        /// To be signed with it.
        nonce: [u8; 20],
    } -> Rest;
    /// What became of calls for help.
    GetCiraLog = 0x0400_008E get {
        /// 0.
        version: u8,
    } -> Rest;
    /// State of the network side.
    GetAmtState = 0x0100_0001 get {
        /// Which variable.
        variable: [u8; 16],
    } -> AmtState;
}

impl GetLocalSystemAccount {
    /// The request as every program sends it.
    pub const NEW: Self = Self { reserved: [0; 40] };
}

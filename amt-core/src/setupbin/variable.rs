//! The variables of a record, as data (`spec/setupbin.md` §2).

use super::Version;

/// What a value is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Bytes that are ASCII in practice, without terminator.
    Text {
        /// Shortest that makes sense.
        min: usize,
        /// Longest that firmware takes.
        max: usize,
    },
    /// A little-endian number.
    Number {
        /// Its width in bytes: 1, 2 or 4.
        bytes: usize,
        /// Least value.
        min: u32,
        /// Greatest value.
        max: u32,
    },
    /// Sixteen bytes, written as 32 hex digits in their order. Not to be read as a Microsoft GUID.
    Identifier,
    /// An IPv4 address, its last octet first.
    Address,
    /// A root hash: algorithm, digest, length of the name, name.
    Root,
    /// Bytes whose encoding nobody has published: kept, never invented.
    Opaque,
}

/// One variable that the format knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Variable {
    /// Module that it belongs to: 1 MEBx, 2 configuration.
    pub module: u16,
    /// Its number in the module.
    pub id: u16,
    /// Stable name.
    pub name: &'static str,
    /// What its value is made of.
    pub kind: Kind,
    /// Oldest version of the file that carries it.
    pub since: Version,
    /// Whether it must not be shown.
    pub secret: bool,
    /// Names of the values, where there are only a few.
    pub choices: &'static [(u32, &'static str)],
    /// What it does.
    pub about: &'static str,
}

impl Variable {
    /// The variable with this number.
    pub fn find(module: u16, id: u16) -> Option<&'static Self> {
        TABLE.iter().find(|variable| (variable.module, variable.id) == (module, id))
    }

    /// The variable with this name; dashes count as underscores.
    pub fn named(name: &str) -> Option<&'static Self> {
        let name = name.trim().replace('-', "_");
        TABLE.iter().find(|variable| variable.name.eq_ignore_ascii_case(&name))
    }

    /// The name of one of its values, if values have names.
    pub fn choice(&self, value: u32) -> Option<&'static str> {
        self.choices.iter().find(|(number, _)| *number == value).map(|(_, name)| *name)
    }

    /// Whether a record may hold several of it.
    pub fn may_repeat(&self) -> bool {
        self.kind == Kind::Root
    }
}

/// The power packages of 1/6 (§2.3): identifier in the order in which it is stored, and what it means.
pub const POWER_PACKAGES: &[([u8; 16], &str)] = &[
    (0x7639_9711_0B56_5043_8870_9812_F391_B560_u128.to_be_bytes(), "mobile: on in S0"),
    (0x26D3_1C76_8708_C74B_BB5F_3874_4315_A5FF_u128.to_be_bytes(), "mobile: on in S0, S3/AC"),
    (0x530E_08DB_6C0F_D948_B2D2_8958_D3F1_156E_u128.to_be_bytes(), "mobile: on in S0, S3/AC, S4-5/AC"),
    (0x055D_D5B6_4CA4_874D_A5A8_B47C_14DE_DA5F_u128.to_be_bytes(), "mobile: on in S0, ME wake in S3/AC"),
    (0x3080_0DEE_09C0_7843_AF28_7868_A2DB_BE3A_u128.to_be_bytes(), "mobile: on in S0, ME wake in S3/AC, S4-5/AC"),
    (0x944F_8312_FB10_4FDC_968E_1E23_2B0C_9065_u128.to_be_bytes(), "desktop: on in S0"),
    (0xA186_00AB_9A7F_4C42_A6E6_BB24_3A29_5D9E_u128.to_be_bytes(), "desktop: on in S0, S3"),
    (0x7286_ABAC_96B4_48E2_9B9E_9B7D_F91C_7FD4_u128.to_be_bytes(), "desktop: on in S0, S3, S4-5"),
    (0x7B32_CD4D_6BBE_4389_A62A_4D7B_D8DB_D026_u128.to_be_bytes(), "desktop: on in S0, ME wake in S3"),
    (0x7322_7346_23DC_432F_A98A_13D3_7982_D855_u128.to_be_bytes(), "desktop: on in S0, ME wake in S3, S4-5"),
    (0xC519_A4BA_6E6F_8D4D_B227_517F_7E45_95DB_u128.to_be_bytes(), "desktop: on in S0, S3, S4-5, off after power loss"),
    (
        0xD60B_E3ED_04C5_2C46_B772_D180_18EE_2FC4_u128.to_be_bytes(),
        "desktop: on in S0, ME wake in S3, S4-5, off after power loss",
    ),
];

const SWITCH: &[(u32, &str)] = &[(0, "off"), (1, "on")];

const fn text(min: usize, max: usize) -> Kind {
    Kind::Text { min, max }
}

const fn number(bytes: usize, min: u32, max: u32) -> Kind {
    Kind::Number { bytes, min, max }
}

const BOOL: Kind = number(1, 0, 1);

const fn row(id: (u16, u16), name: &'static str, kind: Kind, since: Version, about: &'static str) -> Variable {
    Variable { module: id.0, id: id.1, name, kind, since, secret: false, choices: &[], about }
}

impl Variable {
    const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    const fn of(mut self, choices: &'static [(u32, &'static str)]) -> Self {
        self.choices = choices;
        self
    }
}

use Version::{V1, V2_0, V2_1, V3};

/// Every variable, by module and number, which is the order in which records hold them. 2/9 was never assigned.
pub const TABLE: &[Variable] = &[
    row((1, 1), "current_password", text(5, 32), V1, "the MEBx password that the machine has; admin from the factory")
        .secret(),
    row((1, 2), "new_password", text(8, 32), V1, "the MEBx password that it gets").secret(),
    row((1, 3), "manageability", BOOL, V1, "which management feature is on").of(&[(0, "none"), (1, "amt")]),
    row((1, 4), "firmware_local_update", number(1, 0, 2), V2_1, "whether firmware may be updated locally").of(&[
        (0, "off"),
        (1, "on"),
        (2, "password"),
    ]),
    row((1, 5), "firmware_update_qualifier", number(1, 0, 2), V2_1, "when firmware may be updated").of(&[
        (0, "always"),
        (1, "never"),
        (2, "restricted"),
    ]),
    row((1, 6), "power_package", Kind::Identifier, V2_1, "in which sleep states the engine stays awake"),
    row((2, 1), "pid", text(8, 8), V1, "name of the pre-shared key, without dash"),
    row((2, 2), "pps", text(32, 32), V1, "the pre-shared key, without dashes").secret(),
    row((2, 3), "pki_dns_suffix", text(1, 255), V2_0, "DNS suffix that the provisioning certificate must have"),
    row((2, 4), "server_fqdn", text(1, 255), V2_0, "name of the setup server"),
    row((2, 5), "remote_configuration", BOOL, V2_0, "whether remote configuration with certificates is on").of(SWITCH),
    row((2, 6), "preinstalled_hashes", BOOL, V2_0, "whether the maker's root hashes are active").of(SWITCH),
    row((2, 7), "user_certificates", number(1, 0, 2), V2_0, "what becomes of root hashes that users entered").of(&[
        (0, "off"),
        (1, "on"),
        (2, "delete"),
    ]),
    row((2, 8), "root_hash", Kind::Root, V2_0, "hash of a root certificate to trust"),
    row((2, 10), "sol_ider", number(1, 0, 7), V2_0, "sum of 1 serial over LAN, 2 IDE redirection, 4 user and password"),
    row((2, 11), "host_name", text(1, 63), V2_1, "host name"),
    row((2, 12), "domain_name", text(1, 255), V2_1, "domain name"),
    row((2, 13), "dhcp", number(1, 1, 2), V2_1, "whether the address comes by DHCP").of(&[(1, "off"), (2, "on")]),
    row((2, 14), "secure_firmware_update", BOOL, V2_1, "whether secure firmware update is on").of(SWITCH),
    row((2, 15), "idle_timeout", Kind::Opaque, V2_1, "idle time-out; encoding not published"),
    row(
        (2, 16),
        "provisioning_mode",
        number(1, 0, 2),
        V2_1,
        "enterprise or small business; sources disagree on the numbers",
    ),
    row((2, 17), "server_address", Kind::Address, V2_1, "IPv4 address of the setup server"),
    row((2, 18), "server_port", number(2, 1, 65_535), V2_1, "TCP port of the setup server, 9971 by default"),
    row((2, 19), "static_ipv4", Kind::Opaque, V2_1, "address, mask, gateway and DNS; encoding not published"),
    row((2, 20), "vlan", Kind::Opaque, V2_1, "VLAN; encoding not published"),
    row((2, 21), "password_policy", Kind::Opaque, V2_1, "when the MEBx password may be set; encoding not published"),
    row((2, 22), "ipv6", Kind::Opaque, V3, "IPv6 parameters; encoding not published"),
    row((2, 23), "fqdn_sharing", BOOL, V3, "whether AMT shares the operating system's name")
        .of(&[(0, "dedicated"), (1, "shared")]),
    row((2, 24), "dynamic_dns", BOOL, V3, "whether AMT updates DNS itself").of(SWITCH),
    row((2, 25), "kvm", BOOL, V3, "whether keyboard, video and mouse are redirected").of(SWITCH),
    row((2, 26), "user_consent", number(1, 0, 255), V3, "for what the user is asked").of(&[
        (0, "none"),
        (1, "kvm"),
        (255, "all"),
    ]),
    row((2, 27), "remote_consent_policy", BOOL, V3, "whether a console may change the user consent").of(SWITCH),
    row((2, 28), "hello", BOOL, V3, "whether the machine says hello to the setup server")
        .of(&[(0, "stop"), (1, "start")]),
    row((2, 29), "manual_setup", BOOL, V3, "whether the machine is set up at once, without a server").of(SWITCH),
    row((2, 30), "support_channel", number(4, 1, 65_535), V3, "number of the support channel"),
    row((2, 31), "support_channel_description", text(0, 60), V3, "description of the support channel"),
    row((2, 32), "service_account", text(0, 32), V3, "service account number"),
    row((2, 33), "enrolment_passcode", text(0, 32), V3, "enrolment passcode").secret(),
    row((2, 34), "service_type", number(4, 1, 4), V3, "kind of service").of(&[
        (1, "reactive"),
        (2, "proactive"),
        (4, "one_time"),
    ]),
    row((2, 35), "service_provider", Kind::Identifier, V3, "identifier of the service provider"),
];

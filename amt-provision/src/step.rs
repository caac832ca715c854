//! The steps of the procedures, by the names that events, errors and the journal use.

use std::fmt;
use std::str::FromStr;

macro_rules! steps {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// A step of a procedure. Its text form is the `stage` of errors and stays stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Step { $($(#[$doc])* $name,)* }

        impl Step {
            /// Every step: those of remote configuration in the order in which it takes them, then those of other procedures.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

steps! {
    /// Nothing was done yet.
    Start = "start";
    /// TCP and TLS to the machine in setup mode.
    Connect = "connect";
    /// Log in to the setup session and read the provisioning state.
    ReadState = "read-state";
    /// Compare the one-time password planted by a local agent.
    CheckOtp = "check-otp";
    /// Ask for a longer setup window.
    ExtendWindow = "extend-window";
    /// Read realm, names and firmware version.
    ReadFacts = "read-facts";
    /// Make the new credentials durable.
    RecordCredentials = "record-credentials";
    /// Set the MEBx password.
    SetMebxPassword = "set-mebx-password";
    /// Set the network administrator's password.
    SetAdminPassword = "set-admin-password";
    /// Set the clock.
    SetClock = "set-clock";
    /// Set host and domain name.
    SetNames = "set-names";
    /// Look at keys and certificates already on the machine.
    ReadKeys = "read-keys";
    /// Put a key pair on a machine that makes none itself.
    AddKey = "add-key";
    /// Make a key pair on the machine.
    GenerateKey = "generate-key";
    /// Have the machine sign a certification request.
    SignRequest = "sign-request";
    /// Ask the certificate authority.
    Certify = "certify";
    /// Put the certificate on the machine.
    AddCertificate = "add-certificate";
    /// Bind the certificate to the TLS server.
    BindCertificate = "bind-certificate";
    /// Turn on TLS.
    SetTls = "set-tls";
    /// Replace the pre-shared pair.
    SetPsk = "set-psk";
    /// Commit the setup: sent once.
    Commit = "commit";
    /// Connect with the new certificate pinned and log in with the new password.
    Prove = "prove";
    /// Remove what is no longer needed.
    Tidy = "tidy";
    /// All done and proven.
    Done = "done";
    /// Set what the computer boots from next.
    ArmBoot = "arm-boot";
    /// Ask for a start of the computer: sent once.
    PowerAction = "power-action";
    /// Ask the firmware, over HECI, what it is and how it stands.
    ReadFirmware = "read-firmware";
    /// Switch AMT on.
    EnableAmt = "enable-amt";
    /// Close the window of a configuration that is under way.
    StopConfiguration = "stop-configuration";
    /// Open the window of remote configuration: hellos begin.
    StartConfiguration = "start-configuration";
    /// Connect to the firmware from its own system, and log in.
    ConnectLocally = "connect-locally";
    /// Give the firmware the chain of the provisioning certificate.
    SendChain = "send-chain";
    /// Have the firmware's nonce signed.
    SignNonce = "sign-nonce";
    /// Set up from the machine's own system: sent once.
    HostSetup = "host-setup";
    /// From client to admin control mode: sent once.
    Upgrade = "upgrade";
    /// Have the firmware open its local TLS port to one certificate.
    StartSecure = "start-secure";
    /// Make settings what the profile says.
    Configure = "configure";
    /// Take the setup back: sent once.
    Unprovision = "unprovision";
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Step {
    type Err = amt_core::Failure;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().copied().find(|step| step.name() == text).ok_or_else(|| {
            amt_core::Failure::new(amt_core::ErrorCode::JOURNAL, "journal", format!("unknown step {text:?}"))
        })
    }
}

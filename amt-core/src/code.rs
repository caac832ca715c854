//! The error registry: one number per cause, the same in Rust, C, C#, Python and the command line's JSON.
//!
//! Append-only. A number is never re-used; a retired one stays listed. `abi/codes.txt` freezes the table.

use std::fmt;

/// Number of a cause. 0 ok; 1–99 boundary; 1xxx codec; 2xxx WS-Man; 3xxx HECI/APF; 4xxx TLS and certificates;
/// 5xxx provisioning; 6xxx I/O; 7xxx fleet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ErrorCode(u32);

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $hint:literal;)*) => {
        impl ErrorCode {
            $($(#[$doc])* pub const $name: Self = Self($number);)*

            /// Every code: number, name, hint.
            pub const ALL: &'static [(u32, &'static str, &'static str)] =
                &[$(($number, stringify!($name), $hint),)*];
        }
    };
}

codes! {
    /// No error.
    OK = 0, "";
    // Boundary: misuse of the API, before anything was done.
    /// A pointer that must not be null was null.
    NULL_POINTER = 1, "pass a valid pointer; see the function's documentation for which may be null";
    /// A handle of another type, or already freed.
    BAD_HANDLE = 2, "pass a handle made by the matching _new function and not yet freed";
    /// Another thread is inside a call on this handle.
    BUSY = 3, "make one call at a time on a handle, or use one handle per thread";
    /// An earlier panic left this handle unusable.
    POISONED = 4, "free the handle and make a new one; report the earlier panic";
    /// A bug in this library, caught at the boundary.
    PANIC = 5, "this is a bug in the library: please report it with the message; the handle can only be freed";
    /// A machine was given a second input before its outputs were drained.
    NOT_DRAINED = 6, "call poll until it returns nothing before the next handle";
    /// Header and library disagree.
    ABI_MISMATCH = 7, "rebuild against the header that belongs to this library";
    /// An argument is out of its documented range.
    INVALID_ARGUMENT = 8, "see the documentation of the call for the accepted values";
    /// The caller cancelled the operation.
    CANCELLED = 9, "start the operation again; it resumes from the journal";
    /// The caller's buffer cannot hold the result.
    BUFFER_TOO_SMALL = 10, "call again with a buffer of the size returned";
    /// Text that must be UTF-8 is not.
    NOT_UTF8 = 11, "pass UTF-8";
    /// This build lacks a feature.
    UNSUPPORTED = 12, "use a build with the feature named in the message";
    // Codec.
    /// The input ended inside a field.
    DECODE_TRUNCATED = 1001, "the input is cut short: capture or copy it again, whole";
    /// A field holds a value that the format forbids.
    DECODE_INVALID = 1002, "the input is not what it was taken for, or was damaged";
    /// A version or type that exists but is not supported.
    DECODE_UNSUPPORTED = 1003, "this format is not supported; the message says which it is";
    /// The input exceeds the limit for its kind.
    DECODE_TOO_LARGE = 1004, "no genuine message is this large: check what is sending it";
    /// Text that cannot be read as what it should be.
    PARSE_TEXT = 1005, "correct the text named in the message";
    /// A PID or PPS that no firmware accepts.
    PSK_INVALID = 1006, "type it again as printed: 8 or 32 letters and digits; the message names the group that is wrong";
    /// A setup.bin that cannot be read, or could not be carried by the version of the file.
    SETUP_BIN = 1007, "see the message for record and field; `amt setupbin lint` lists everything that is wrong with a file";
    // WS-Man.
    /// Bytes that are not HTTP.
    HTTP_MALFORMED = 2001, "check that the address is an AMT machine and that nothing in between rewrites HTTP";
    /// An HTTP status that has no meaning here.
    HTTP_STATUS = 2002, "check that WS-Man is enabled on this firmware; try again later if the status is 5xx";
    /// A web page where SOAP was expected.
    NOT_SOAP = 2003, "check that port and address belong to an AMT machine and not to a proxy or web server";
    /// XML that is not well-formed.
    XML_MALFORMED = 2004, "save the reply and report it; try again in case it was damaged on the way";
    /// XML that breaks a safety limit (DTD, depth, size).
    XML_REFUSED = 2005, "no AMT firmware sends this: check what is answering at this address";
    /// A SOAP envelope that does not answer the request.
    SOAP_UNEXPECTED = 2006, "try again; report the reply if it happens again";
    /// The firmware answered with a fault.
    SOAP_FAULT = 2007, "see what the device said; the request does not fit this firmware or its state";
    /// A method answered with a ReturnValue other than success.
    RETURN_VALUE = 2008, "see what the device said; its documentation of this value names the cause";
    /// The credentials are wrong, or the account is temporarily locked (firmware does not tell which).
    WRONG_OR_LOCKED = 2009, "check user and password; wait 20 seconds between guesses, or longer if this password worked before";
    /// The device asks for an authentication scheme that is not supported.
    AUTH_UNSUPPORTED = 2010, "enable digest authentication on the machine";
    /// The digest realm is not the one recorded for this machine.
    REALM_MISMATCH = 2011, "the address answers as another machine: check DHCP and the record's address";
    /// The connection ended inside a reply.
    REPLY_TRUNCATED = 2012, "try again; if it repeats, check the network path to the machine";
    /// A reply exceeds the limit.
    REPLY_TOO_LARGE = 2013, "no AMT reply is this large: check what is answering at this address";
    /// A property that the class must have is missing or has another type.
    PROPERTY = 2014, "this firmware differs from the known ones: save the reply and report it";
    /// The machine took too long to answer a request.
    REPLY_TIMEOUT = 2015, "check that the machine still has power and network, then try again; a server does so by itself";
    /// There is no Kerberos ticket to log in with, or it has expired.
    TICKET_ABSENT = 2020, "get a ticket (`kinit USER@REALM`, or log in to the domain), in the account that runs this program";
    /// The directory does not know the machine under the name that it is reached by.
    TICKET_SERVICE_UNKNOWN = 2021, "reach the machine by the full name in its SPNs; `amt directory plan` prints the six that it needs, port and all";
    /// Clocks differ by more than Kerberos allows.
    TICKET_CLOCK = 2022, "set the clocks of this computer, the domain controller and the machine: they may differ by 5 minutes";
    /// The ticket does not fit into a request of this firmware.
    TICKET_TOO_LARGE = 2023, "use an account that is in fewer groups: its ticket is smaller";
    /// The machine did not accept the ticket.
    TICKET_REFUSED = 2024, "check that the user's or group's SID is among the machine's users, and that key and key version in the machine are the directory's";
    /// A ticket could not be got for another reason.
    TICKET_FAILED = 2025, "see the message: it is Kerberos' own; check realm and domain controllers in krb5.conf or DNS";
    // HECI and APF: the channel of the machine's own operating system.
    /// There is no management engine interface: no device, or no driver for it.
    MEI_ABSENT = 3001, "load or install the MEI driver (mei_me on Linux, Intel Management Engine Interface on Windows); without one this machine has no AMT to talk to";
    /// This user may not open the management engine interface.
    MEI_PERMISSION = 3002, "run as root (Linux) or as Administrator or SYSTEM (Windows)";
    /// Another program holds the firmware's client, or the firmware takes no more connections.
    MEI_BUSY = 3003, "wait and try again; stop other management tools on this machine, LMS among them, if it stays";
    /// The firmware has no such client: no AMT in this machine, or AMT is switched off.
    MEI_CLIENT_ABSENT = 3004, "the machine has no AMT, or its BIOS has switched it off: look in the BIOS setup";
    /// The firmware was reset, or the driver lost it, while it was being talked to.
    MEI_RESET = 3005, "try again in a minute: the firmware restarts; cut the power if it never comes back";
    /// The firmware did not answer a message.
    MEI_TIMEOUT = 3006, "try again; restart the machine if the firmware stays silent";
    /// What came from the firmware does not answer what was asked.
    MEI_UNEXPECTED = 3007, "try again; report the message if it happens again";
    /// The firmware refused a command with a status.
    AMT_STATUS = 3008, "see the status in the message; it names the cause";
    /// AMT is in the machine and switched off.
    AMT_DISABLED = 3009, "enable AMT in the BIOS or the setup menu, or from the system where the firmware lets it (`amt activate --enable`)";
    /// The firmware broke the port forwarding protocol, or ended it.
    APF_PROTOCOL = 3010, "try again; report the message if it happens again";
    /// The firmware opened no channel to the port.
    APF_REFUSED = 3011, "the firmware offers no such port to its system, or has no channel left: wait a minute and try again";
    /// The local management service took the connection and stays silent.
    LMS_HUNG = 3012, "restart the service LMS, or stop it: without it the firmware is reached directly";
    /// The firmware demands TLS on its local ports.
    LOCAL_TLS_REQUIRED = 3013, "use the TLS port: this firmware takes no plain connection from its own system";
    // TLS and certificates.
    /// The TLS handshake failed.
    TLS_HANDSHAKE = 4001, "see the alert in the message; old firmware may need another TLS engine";
    /// The device refused our certificate chain.
    TLS_CHAIN_REFUSED = 4002, "run `amt preflight` with this certificate, the hello and the DNS suffix: it lists every reason";
    /// The device did not ask for a certificate: it is not waiting for remote configuration.
    TLS_NO_CERTIFICATE_REQUEST = 4003, "the machine is not in PKI setup mode: window closed, PSK mode, or already set up; re-arm it";
    /// No common TLS version or cipher suite.
    TLS_VERSION = 4004, "this firmware needs the legacy TLS engine";
    /// The device presented another certificate than the one expected.
    TLS_PIN_MISMATCH = 4005, "another machine answers here, or its certificate was replaced: check before trusting it";
    /// The device closed the connection during the handshake without saying why.
    TLS_CLOSED = 4006, "AMT refuses a chain this way too: run `amt preflight`; or the setup window has just closed";
    /// The machine speaks only old TLS, and its profile does not consent to that.
    TLS_LEGACY_NOT_ALLOWED = 4007, "set legacy_tls = \"allow\" in the machine's profile if TLS before 1.2 is acceptable on this network";
    /// The machine speaks only old TLS, and this build has no engine for it.
    TLS_LEGACY_MISSING = 4008, "use a build with the feature legacy-tls: pure Rust reaches AMT 14 and later only";
    /// A machine that is set up lets in only who shows a certificate that it trusts, and ours is none of these.
    TLS_CLIENT_REFUSED = 4009, "the machine must trust the root that issued the certificate (tls.trusted_roots), its name (tls.trusted_names), and have the right time";
    /// A certificate could not be read.
    CERTIFICATE_PARSE = 4010, "check that the file is a certificate in PEM or DER";
    /// A PFX or key file could not be opened.
    PFX_OPEN = 4011, "check the password, and re-export with AES-256 if the file is old";
    /// None of the provisioning certificates fits this machine.
    NO_CERTIFICATE_FITS = 4012, "run `amt preflight` for the certificate you expect to fit; it lists every reason";
    /// The certificate authority said no.
    CA_DENIED = 4020, "mend what the authority names in the message; the next attempt submits a new request";
    /// The certificate authority could not be asked.
    CA_UNAVAILABLE = 4021, "check the authority's configuration, then try again: the request is repeated; a server does so by itself";
    /// The certificate that came back does not belong to the request.
    CA_CERTIFICATE_WRONG = 4022, "check the authority: the certificate must carry the key of the request";
    /// The certification request from the device is not valid.
    CSR_INVALID = 4023, "the machine's key is unusable: it is made anew on the next attempt";
    /// The certificate authority has not decided yet.
    CA_PENDING = 4024, "approve the request at the authority; the machine is finished after that";
    /// The pre-shared key is not the machine's.
    PSK_WRONG = 4030, "the PPS does not belong to this PID in this machine: check the pair list, or enter a new pair in MEBx or by USB key";
    /// The machine does not know the identity that it gave in its hello.
    PSK_IDENTITY = 4031, "the machine's pair was replaced meanwhile: wait for its next hello";
    /// The certificate that the firmware presents to its own system is not what it should be.
    ONDIE_CHAIN = 4032, "see which check failed; give the right on-die root, or pin the certificate if you know this machine";
    // Provisioning.
    /// The one-time password of the machine is not the one demanded.
    OTP_MISMATCH = 5001, "start configuration on the machine again with the right one-time password";
    /// The machine is not in the state that this procedure needs.
    WRONG_STATE = 5002, "see the message for the state; unprovision or re-arm the machine";
    /// The machine is provisioned by someone else, or by us earlier.
    ALREADY_PROVISIONED = 5003, "adopt it with its credentials, or unprovision it first";
    /// No known password opens the machine.
    ADMIN_PASSWORD_UNKNOWN = 5004, "add its password to known_admin_passwords, or reset the machine in MEBx";
    /// The firmware refused to commit.
    COMMIT_REFUSED = 5005, "see what the device said: 2057 names missing data such as clock, host name or certificate";
    /// The machine did not prove the new credentials after the commit.
    PROOF_FAILED = 5006, "both credentials are kept: try again, which repeats the proof; a server does so by itself";
    /// Another machine answers at the address.
    WRONG_MACHINE = 5007, "check DHCP: the address was taken over by another machine";
    /// The firmware is not ready to make a key.
    KEY_NOT_READY = 5008, "leave the machine powered for some minutes, then try again; a server does so by itself";
    /// The plan contradicts itself or this firmware.
    PLAN_INVALID = 5009, "correct the profile field named in the message";
    /// The journal could not be written or read.
    JOURNAL = 5010, "nothing was sent: make the journal's storage writable and start again";
    /// A step was refused by the firmware.
    STEP_REFUSED = 5011, "see what the device said";
    /// The clock of the machine could not be set.
    CLOCK_REFUSED = 5012, "see what the device said; a clock before 2004 is never accepted";
    /// There is no pair for the PID of a hello.
    PSK_UNKNOWN = 5013, "import the pair with `amt psk import`, or enter a known pair in the machine's MEBx";
    /// The firmware has no pre-shared keys.
    PSK_UNSUPPORTED = 5014, "AMT 11 and later are provisioned with a certificate: enter no PID and PPS";
    /// The firmware is too old for this operation.
    FIRMWARE_UNSUPPORTED = 5015, "see the message; `amt capabilities VERSION` lists what this firmware can do";
    /// Remote configuration is switched off in the firmware.
    ZERO_TOUCH_DISABLED = 5016, "switch it on in the setup menu, or activate the machine from its own system";
    /// The firmware's network is not ready for what was asked.
    NETWORK_NOT_READY = 5017, "connect the wired network, with DHCP and a DNS suffix (option 15), or give the suffix";
    /// The firmware does not allow this control mode.
    CONTROL_MODE_REFUSED = 5018, "see which modes the firmware allows; another may be chosen, or the setup menu has switched this one off";
    /// The signer did not sign.
    SIGNER = 5019, "see the signer's own words in the message";
    /// The firmware refused a certificate of the chain, or the signature with it.
    CHAIN_REFUSED = 5020, "run `amt preflight` with this certificate: it lists every reason";
    /// Another program is at work on the machine.
    MACHINE_LOCKED = 5021, "nothing was sent: wait until the program named in the message is done, or end it, then try again";
    // I/O.
    /// Nothing listens at the port.
    CONNECT_REFUSED = 6001, "the port is closed: the setup window ended, AMT is disabled, or the address is another machine's";
    /// No answer to the connection attempt.
    CONNECT_TIMEOUT = 6002, "check power, cable, VLAN and firewalls between here and the machine";
    /// The peer reset the connection.
    CONNECTION_RESET = 6003, "the machine restarted its network or dropped the session: try again; a server does so by itself";
    /// The peer closed the connection where it should not.
    CONNECTION_CLOSED = 6004, "the machine ended the session: try again; a server does so by itself";
    /// No route or no such network.
    UNREACHABLE = 6005, "check routing between here and the machine";
    /// A name could not be resolved.
    DNS = 6006, "check the name and the DNS servers";
    /// The listener could not be opened.
    LISTEN = 6007, "another program owns the port, or it needs more rights";
    /// A file could not be read.
    FILE_READ = 6008, "check path and permissions";
    /// A file could not be written.
    FILE_WRITE = 6009, "check path, permissions and free space";
    /// Another error of the operating system.
    IO = 6010, "see the message";
    // Fleet.
    /// The database failed.
    STORE = 7001, "check the database file, its permissions and free space";
    /// The seal key is missing or malformed.
    SEAL_KEY = 7002, "give the key file that this database was made with; without it sealed credentials cannot be read";
    /// A sealed value does not open with this key.
    UNSEAL = 7003, "the key file is not the one this row was sealed with, or the row was altered";
    /// The configuration is wrong.
    CONFIG = 7004, "correct the field named in the message";
    /// The machine is not admitted by policy.
    NOT_ADMITTED = 7005, "add the machine's record, or set admit = \"auto\"";
    /// No such machine in the database.
    MACHINE_UNKNOWN = 7006, "list the known ones with `amt fleet list`";
    /// The hello carries no usable identity.
    IDENTITY_UNUSABLE = 7007, "have the UUID programmed by the maker's tool, or name the machine by its PID";
    /// The resolver could not answer, or answered what cannot be.
    RESOLVER = 7008, "correct the rule, program or callback named in the message; the machine is asked about again";
    /// A machine seems to be in use or to be another than recorded.
    IN_USE = 7009, "look at it with `amt fleet show`; `amt fleet release` lets it in";
    /// A filter expression that cannot be read.
    FILTER = 7010, "correct the expression where the mark points; `amt fleet fields` lists what can be asked for";
    /// An action after provisioning failed.
    ACTION = 7011, "see the message; the action is repeated, `amt fleet show` tells when";
    /// A client was refused by the intake, or its machine was not provisioned while it waited.
    ENROLMENT = 7012, "see the message; the administrator finds the machine with `amt fleet show UUID`";
    /// The directory could not be asked, or refused.
    DIRECTORY = 7020, "see the directory's own words in the message; `amt directory plan` prints the same for whoever holds the rights";
    /// Another object of the directory has what the machine's account needs.
    DIRECTORY_CONFLICT = 7021, "remove the name from the object in the message, or give the machine's account another name";
}

impl ErrorCode {
    /// The number.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The code with this number, if it is registered.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.iter().find(|(n, _, _)| *n == number).map(|(n, _, _)| Self(*n))
    }

    /// Whether a request was sent and its answer did not come whole: the machine may have done it, and its state has to tell.
    pub fn is_reply_lost(self) -> bool {
        matches!(
            self,
            Self::REPLY_TRUNCATED
                | Self::REPLY_TIMEOUT
                | Self::CONNECTION_CLOSED
                | Self::CONNECTION_RESET
                | Self::HTTP_MALFORMED
                | Self::XML_MALFORMED
                | Self::NOT_SOAP
                | Self::SOAP_UNEXPECTED
        )
    }

    fn entry(self) -> Option<&'static (u32, &'static str, &'static str)> {
        Self::ALL.iter().find(|(n, _, _)| *n == self.0)
    }

    /// The name, as in C without its prefix: `DECODE_TRUNCATED`.
    pub fn name(self) -> &'static str {
        self.entry().map_or("UNREGISTERED", |(_, name, _)| name)
    }

    /// What to do next, in general; a [`Failure`](crate::Failure) may carry a better one.
    pub fn hint(self) -> &'static str {
        self.entry().map_or("", |(_, _, hint)| hint)
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.0)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_unique_ascending_and_hinted() {
        let mut names = std::collections::BTreeSet::new();
        for pair in ErrorCode::ALL.windows(2) {
            assert!(pair[0].0 < pair[1].0, "{} is out of order", pair[1].1);
        }
        for (number, name, hint) in ErrorCode::ALL {
            assert!(names.insert(name), "{name} stands twice");
            assert!(*number == 0 || !hint.is_empty(), "{name} has no hint");
            assert_eq!(ErrorCode::from_number(*number).unwrap().name(), *name);
        }
        assert_eq!(ErrorCode::from_number(999_999), None);
    }

    #[test]
    fn no_hint_promises_another_attempt_without_saying_whose() {
        for (_, name, hint) in ErrorCode::ALL {
            // A command that was run once tries nothing again: whoever reads this has to know that it is up to them.
            assert!(
                !hint.contains("it is tried again") && !hint.contains("repeated on the next attempt"),
                "{name}: {hint}"
            );
            assert!(!hint.contains("a server does so by itself") || hint.contains("try again"), "{name}: {hint}");
        }
    }
}

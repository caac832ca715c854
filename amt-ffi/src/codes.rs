//! The error registry for C. Written by `cargo xtask check-abi --bless`, never by hand.

/// What to do: pass a valid pointer; see the function's documentation for which may be null.
pub const AMT_E_NULL_POINTER: u32 = 1;

/// What to do: pass a handle made by the matching _new function and not yet freed.
pub const AMT_E_BAD_HANDLE: u32 = 2;

/// What to do: make one call at a time on a handle, or use one handle per thread.
pub const AMT_E_BUSY: u32 = 3;

/// What to do: free the handle and make a new one; report the earlier panic.
pub const AMT_E_POISONED: u32 = 4;

/// What to do: this is a bug in the library: please report it with the message; the handle can only be freed.
pub const AMT_E_PANIC: u32 = 5;

/// What to do: call poll until it returns nothing before the next handle.
pub const AMT_E_NOT_DRAINED: u32 = 6;

/// What to do: rebuild against the header that belongs to this library.
pub const AMT_E_ABI_MISMATCH: u32 = 7;

/// What to do: see the documentation of the call for the accepted values.
pub const AMT_E_INVALID_ARGUMENT: u32 = 8;

/// What to do: start the operation again; it resumes from the journal.
pub const AMT_E_CANCELLED: u32 = 9;

/// What to do: call again with a buffer of the size returned.
pub const AMT_E_BUFFER_TOO_SMALL: u32 = 10;

/// What to do: pass UTF-8.
pub const AMT_E_NOT_UTF8: u32 = 11;

/// What to do: use a build with the feature named in the message.
pub const AMT_E_UNSUPPORTED: u32 = 12;

/// What to do: the input is cut short: capture or copy it again, whole.
pub const AMT_E_DECODE_TRUNCATED: u32 = 1001;

/// What to do: the input is not what it was taken for, or was damaged.
pub const AMT_E_DECODE_INVALID: u32 = 1002;

/// What to do: this format is not supported; the message says which it is.
pub const AMT_E_DECODE_UNSUPPORTED: u32 = 1003;

/// What to do: no genuine message is this large: check what is sending it.
pub const AMT_E_DECODE_TOO_LARGE: u32 = 1004;

/// What to do: correct the text named in the message.
pub const AMT_E_PARSE_TEXT: u32 = 1005;

/// What to do: type it again as printed: 8 or 32 letters and digits; the message names the group that is wrong.
pub const AMT_E_PSK_INVALID: u32 = 1006;

/// What to do: see the message for record and field; `amt setupbin lint` lists everything that is wrong with a file.
pub const AMT_E_SETUP_BIN: u32 = 1007;

/// What to do: check that the address is an AMT machine and that nothing in between rewrites HTTP.
pub const AMT_E_HTTP_MALFORMED: u32 = 2001;

/// What to do: check that WS-Man is enabled on this firmware; try again later if the status is 5xx.
pub const AMT_E_HTTP_STATUS: u32 = 2002;

/// What to do: check that port and address belong to an AMT machine and not to a proxy or web server.
pub const AMT_E_NOT_SOAP: u32 = 2003;

/// What to do: save the reply and report it; try again in case it was damaged on the way.
pub const AMT_E_XML_MALFORMED: u32 = 2004;

/// What to do: no AMT firmware sends this: check what is answering at this address.
pub const AMT_E_XML_REFUSED: u32 = 2005;

/// What to do: try again; report the reply if it happens again.
pub const AMT_E_SOAP_UNEXPECTED: u32 = 2006;

/// What to do: see what the device said; the request does not fit this firmware or its state.
pub const AMT_E_SOAP_FAULT: u32 = 2007;

/// What to do: see what the device said; its documentation of this value names the cause.
pub const AMT_E_RETURN_VALUE: u32 = 2008;

/// What to do: check user and password; wait 20 seconds between guesses, or longer if this password worked before.
pub const AMT_E_WRONG_OR_LOCKED: u32 = 2009;

/// What to do: enable digest authentication on the machine.
pub const AMT_E_AUTH_UNSUPPORTED: u32 = 2010;

/// What to do: the address answers as another machine: check DHCP and the record's address.
pub const AMT_E_REALM_MISMATCH: u32 = 2011;

/// What to do: try again; if it repeats, check the network path to the machine.
pub const AMT_E_REPLY_TRUNCATED: u32 = 2012;

/// What to do: no AMT reply is this large: check what is answering at this address.
pub const AMT_E_REPLY_TOO_LARGE: u32 = 2013;

/// What to do: this firmware differs from the known ones: save the reply and report it.
pub const AMT_E_PROPERTY: u32 = 2014;

/// What to do: check that the machine still has power and network, then try again; a server does so by itself.
pub const AMT_E_REPLY_TIMEOUT: u32 = 2015;

/// What to do: get a ticket (`kinit USER@REALM`, or log in to the domain), in the account that runs this program.
pub const AMT_E_TICKET_ABSENT: u32 = 2020;

/// What to do: reach the machine by the full name in its SPNs; `amt directory plan` prints the six that it needs, port and all.
pub const AMT_E_TICKET_SERVICE_UNKNOWN: u32 = 2021;

/// What to do: set the clocks of this computer, the domain controller and the machine: they may differ by 5 minutes.
pub const AMT_E_TICKET_CLOCK: u32 = 2022;

/// What to do: use an account that is in fewer groups: its ticket is smaller.
pub const AMT_E_TICKET_TOO_LARGE: u32 = 2023;

/// What to do: check that the user's or group's SID is among the machine's users, and that key and key version in the machine are the directory's.
pub const AMT_E_TICKET_REFUSED: u32 = 2024;

/// What to do: see the message: it is Kerberos' own; check realm and domain controllers in krb5.conf or DNS.
pub const AMT_E_TICKET_FAILED: u32 = 2025;

/// What to do: load or install the MEI driver (mei_me on Linux, Intel Management Engine Interface on Windows); without one this machine has no AMT to talk to.
pub const AMT_E_MEI_ABSENT: u32 = 3001;

/// What to do: run as root (Linux) or as Administrator or SYSTEM (Windows).
pub const AMT_E_MEI_PERMISSION: u32 = 3002;

/// What to do: wait and try again; stop other management tools on this machine, LMS among them, if it stays.
pub const AMT_E_MEI_BUSY: u32 = 3003;

/// What to do: the machine has no AMT, or its BIOS has switched it off: look in the BIOS setup.
pub const AMT_E_MEI_CLIENT_ABSENT: u32 = 3004;

/// What to do: try again in a minute: the firmware restarts; cut the power if it never comes back.
pub const AMT_E_MEI_RESET: u32 = 3005;

/// What to do: try again; restart the machine if the firmware stays silent.
pub const AMT_E_MEI_TIMEOUT: u32 = 3006;

/// What to do: try again; report the message if it happens again.
pub const AMT_E_MEI_UNEXPECTED: u32 = 3007;

/// What to do: see the status in the message; it names the cause.
pub const AMT_E_AMT_STATUS: u32 = 3008;

/// What to do: enable AMT in the BIOS or the setup menu, or from the system where the firmware lets it (`amt activate --enable`).
pub const AMT_E_AMT_DISABLED: u32 = 3009;

/// What to do: try again; report the message if it happens again.
pub const AMT_E_APF_PROTOCOL: u32 = 3010;

/// What to do: the firmware offers no such port to its system, or has no channel left: wait a minute and try again.
pub const AMT_E_APF_REFUSED: u32 = 3011;

/// What to do: restart the service LMS, or stop it: without it the firmware is reached directly.
pub const AMT_E_LMS_HUNG: u32 = 3012;

/// What to do: use the TLS port: this firmware takes no plain connection from its own system.
pub const AMT_E_LOCAL_TLS_REQUIRED: u32 = 3013;

/// What to do: see the alert in the message; old firmware may need another TLS engine.
pub const AMT_E_TLS_HANDSHAKE: u32 = 4001;

/// What to do: run `amt preflight` with this certificate, the hello and the DNS suffix: it lists every reason.
pub const AMT_E_TLS_CHAIN_REFUSED: u32 = 4002;

/// What to do: the machine is not in PKI setup mode: window closed, PSK mode, or already set up; re-arm it.
pub const AMT_E_TLS_NO_CERTIFICATE_REQUEST: u32 = 4003;

/// What to do: this firmware needs the legacy TLS engine.
pub const AMT_E_TLS_VERSION: u32 = 4004;

/// What to do: another machine answers here, or its certificate was replaced: check before trusting it.
pub const AMT_E_TLS_PIN_MISMATCH: u32 = 4005;

/// What to do: AMT refuses a chain this way too: run `amt preflight`; or the setup window has just closed.
pub const AMT_E_TLS_CLOSED: u32 = 4006;

/// What to do: set legacy_tls = "allow" in the machine's profile if TLS before 1.2 is acceptable on this network.
pub const AMT_E_TLS_LEGACY_NOT_ALLOWED: u32 = 4007;

/// What to do: use a build with the feature legacy-tls: pure Rust reaches AMT 14 and later only.
pub const AMT_E_TLS_LEGACY_MISSING: u32 = 4008;

/// What to do: the machine must trust the root that issued the certificate (tls.trusted_roots), its name (tls.trusted_names), and have the right time.
pub const AMT_E_TLS_CLIENT_REFUSED: u32 = 4009;

/// What to do: check that the file is a certificate in PEM or DER.
pub const AMT_E_CERTIFICATE_PARSE: u32 = 4010;

/// What to do: check the password, and re-export with AES-256 if the file is old.
pub const AMT_E_PFX_OPEN: u32 = 4011;

/// What to do: run `amt preflight` for the certificate you expect to fit; it lists every reason.
pub const AMT_E_NO_CERTIFICATE_FITS: u32 = 4012;

/// What to do: mend what the authority names in the message; the next attempt submits a new request.
pub const AMT_E_CA_DENIED: u32 = 4020;

/// What to do: check the authority's configuration, then try again: the request is repeated; a server does so by itself.
pub const AMT_E_CA_UNAVAILABLE: u32 = 4021;

/// What to do: check the authority: the certificate must carry the key of the request.
pub const AMT_E_CA_CERTIFICATE_WRONG: u32 = 4022;

/// What to do: the machine's key is unusable: it is made anew on the next attempt.
pub const AMT_E_CSR_INVALID: u32 = 4023;

/// What to do: approve the request at the authority; the machine is finished after that.
pub const AMT_E_CA_PENDING: u32 = 4024;

/// What to do: the PPS does not belong to this PID in this machine: check the pair list, or enter a new pair in MEBx or by USB key.
pub const AMT_E_PSK_WRONG: u32 = 4030;

/// What to do: the machine's pair was replaced meanwhile: wait for its next hello.
pub const AMT_E_PSK_IDENTITY: u32 = 4031;

/// What to do: see which check failed; give the right on-die root, or pin the certificate if you know this machine.
pub const AMT_E_ONDIE_CHAIN: u32 = 4032;

/// What to do: start configuration on the machine again with the right one-time password.
pub const AMT_E_OTP_MISMATCH: u32 = 5001;

/// What to do: see the message for the state; unprovision or re-arm the machine.
pub const AMT_E_WRONG_STATE: u32 = 5002;

/// What to do: adopt it with its credentials, or unprovision it first.
pub const AMT_E_ALREADY_PROVISIONED: u32 = 5003;

/// What to do: add its password to known_admin_passwords, or reset the machine in MEBx.
pub const AMT_E_ADMIN_PASSWORD_UNKNOWN: u32 = 5004;

/// What to do: see what the device said: 2057 names missing data such as clock, host name or certificate.
pub const AMT_E_COMMIT_REFUSED: u32 = 5005;

/// What to do: both credentials are kept: try again, which repeats the proof; a server does so by itself.
pub const AMT_E_PROOF_FAILED: u32 = 5006;

/// What to do: check DHCP: the address was taken over by another machine.
pub const AMT_E_WRONG_MACHINE: u32 = 5007;

/// What to do: leave the machine powered for some minutes, then try again; a server does so by itself.
pub const AMT_E_KEY_NOT_READY: u32 = 5008;

/// What to do: correct the profile field named in the message.
pub const AMT_E_PLAN_INVALID: u32 = 5009;

/// What to do: nothing was sent: make the journal's storage writable and start again.
pub const AMT_E_JOURNAL: u32 = 5010;

/// What to do: see what the device said.
pub const AMT_E_STEP_REFUSED: u32 = 5011;

/// What to do: see what the device said; a clock before 2004 is never accepted.
pub const AMT_E_CLOCK_REFUSED: u32 = 5012;

/// What to do: import the pair with `amt psk import`, or enter a known pair in the machine's MEBx.
pub const AMT_E_PSK_UNKNOWN: u32 = 5013;

/// What to do: AMT 11 and later are provisioned with a certificate: enter no PID and PPS.
pub const AMT_E_PSK_UNSUPPORTED: u32 = 5014;

/// What to do: see the message; `amt capabilities VERSION` lists what this firmware can do.
pub const AMT_E_FIRMWARE_UNSUPPORTED: u32 = 5015;

/// What to do: switch it on in the setup menu, or activate the machine from its own system.
pub const AMT_E_ZERO_TOUCH_DISABLED: u32 = 5016;

/// What to do: connect the wired network, with DHCP and a DNS suffix (option 15), or give the suffix.
pub const AMT_E_NETWORK_NOT_READY: u32 = 5017;

/// What to do: see which modes the firmware allows; another may be chosen, or the setup menu has switched this one off.
pub const AMT_E_CONTROL_MODE_REFUSED: u32 = 5018;

/// What to do: see the signer's own words in the message.
pub const AMT_E_SIGNER: u32 = 5019;

/// What to do: run `amt preflight` with this certificate: it lists every reason.
pub const AMT_E_CHAIN_REFUSED: u32 = 5020;

/// What to do: nothing was sent: wait until the program named in the message is done, or end it, then try again.
pub const AMT_E_MACHINE_LOCKED: u32 = 5021;

/// What to do: the port is closed: the setup window ended, AMT is disabled, or the address is another machine's.
pub const AMT_E_CONNECT_REFUSED: u32 = 6001;

/// What to do: check power, cable, VLAN and firewalls between here and the machine.
pub const AMT_E_CONNECT_TIMEOUT: u32 = 6002;

/// What to do: the machine restarted its network or dropped the session: try again; a server does so by itself.
pub const AMT_E_CONNECTION_RESET: u32 = 6003;

/// What to do: the machine ended the session: try again; a server does so by itself.
pub const AMT_E_CONNECTION_CLOSED: u32 = 6004;

/// What to do: check routing between here and the machine.
pub const AMT_E_UNREACHABLE: u32 = 6005;

/// What to do: check the name and the DNS servers.
pub const AMT_E_DNS: u32 = 6006;

/// What to do: another program owns the port, or it needs more rights.
pub const AMT_E_LISTEN: u32 = 6007;

/// What to do: check path and permissions.
pub const AMT_E_FILE_READ: u32 = 6008;

/// What to do: check path, permissions and free space.
pub const AMT_E_FILE_WRITE: u32 = 6009;

/// What to do: see the message.
pub const AMT_E_IO: u32 = 6010;

/// What to do: check the database file, its permissions and free space.
pub const AMT_E_STORE: u32 = 7001;

/// What to do: give the key file that this database was made with; without it sealed credentials cannot be read.
pub const AMT_E_SEAL_KEY: u32 = 7002;

/// What to do: the key file is not the one this row was sealed with, or the row was altered.
pub const AMT_E_UNSEAL: u32 = 7003;

/// What to do: correct the field named in the message.
pub const AMT_E_CONFIG: u32 = 7004;

/// What to do: add the machine's record, or set admit = "auto".
pub const AMT_E_NOT_ADMITTED: u32 = 7005;

/// What to do: list the known ones with `amt fleet list`.
pub const AMT_E_MACHINE_UNKNOWN: u32 = 7006;

/// What to do: have the UUID programmed by the maker's tool, or name the machine by its PID.
pub const AMT_E_IDENTITY_UNUSABLE: u32 = 7007;

/// What to do: correct the rule, program or callback named in the message; the machine is asked about again.
pub const AMT_E_RESOLVER: u32 = 7008;

/// What to do: look at it with `amt fleet show`; `amt fleet release` lets it in.
pub const AMT_E_IN_USE: u32 = 7009;

/// What to do: correct the expression where the mark points; `amt fleet fields` lists what can be asked for.
pub const AMT_E_FILTER: u32 = 7010;

/// What to do: see the message; the action is repeated, `amt fleet show` tells when.
pub const AMT_E_ACTION: u32 = 7011;

/// What to do: see the message; the administrator finds the machine with `amt fleet show UUID`.
pub const AMT_E_ENROLMENT: u32 = 7012;

/// What to do: see the directory's own words in the message; `amt directory plan` prints the same for whoever holds the rights.
pub const AMT_E_DIRECTORY: u32 = 7020;

/// What to do: remove the name from the object in the message, or give the machine's account another name.
pub const AMT_E_DIRECTORY_CONFLICT: u32 = 7021;

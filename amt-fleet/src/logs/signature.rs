//! The table of known signatures (`spec/hello-tls.md` §4, `design/peers.md` §1). To add one, add an entry.

use aho_corasick::AhoCorasick;
use amt_core::ErrorCode;
use std::sync::LazyLock;

/// Something that logs say, and what it means.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Signature {
    /// Stable code.
    pub code: &'static str,
    /// Whose log says it.
    pub source: &'static str,
    /// What a line must hold, all of it, in any case; `|` separates alternatives.
    pub needles: &'static [&'static str],
    /// What another line of the same thread close by must hold as well.
    pub with: Option<&'static str>,
    /// Whether something is wrong, or only worth knowing.
    pub is_error: bool,
    /// What is behind it.
    pub cause: &'static str,
    /// What to do.
    pub remedy: &'static str,
    /// The same in this library's error registry.
    pub related: Option<ErrorCode>,
}

const CONFIGMGR: &str = "Configuration Manager";
const MESH: &str = "MeshCentral";
const TOOLKIT: &str = "rpc-go, rps";
const SCS: &str = "Intel SCS";
const ANY: &str = "any";

/// Every signature. Where several fit one line, the first counts.
pub static SIGNATURES: &[Signature] = &[
    Signature {
        code: "TLS-DISCONNECT",
        with: Some("ApplyControlToken"),
        cause: "the machine hung up during the TLS handshake: it refused the provisioning certificate chain (expired or incomplete chain, root \
                not sent or not in its list, neither Intel's OID nor OU, name not of its DNS suffix), or it does not wait for a \
                certificate; the number before \"returned by ApplyControlToken\" is an address and means nothing",
        remedy: "run `amt preflight` with this certificate, a hello of the machine and its DNS suffix: it lists every reason; export the PFX with \
                 the whole path and the root",
        ..error(CONFIGMGR, &["Server unexpectedly disconnected when TLS handshaking"], Some(ErrorCode::TLS_CLOSED))
    },
    Signature {
        code: "TLS-DISCONNECT-ALONE",
        cause: "the machine hung up during the TLS handshake: mostly it refused the provisioning certificate chain, sometimes its setup window has \
                just ended or its firmware restarted",
        remedy: "run `amt preflight` with this certificate, a hello of the machine and its DNS suffix; if nothing is found, re-arm the machine",
        ..error(CONFIGMGR, &["Server unexpectedly disconnected when TLS handshaking"], Some(ErrorCode::TLS_CLOSED))
    },
    Signature {
        code: "CA-PENDING",
        with: Some("RETRY("),
        cause: "the certificate authority has not issued the machine's web server certificate: the request waits for approval, or the \
                template may not be enrolled by this server",
        remedy: "approve the pending request at the authority, or let the template issue without a manager's approval; check the template's Enroll \
                 permission for the site server",
        ..error(CONFIGMGR, &["Missed device certificate"], Some(ErrorCode::CA_PENDING))
    },
    Signature {
        code: "CA-MISSING",
        cause: "the machine's web server certificate did not come from the certificate authority",
        remedy: "look for the request under Pending and Failed Requests at the authority; check the template's Enroll permission",
        ..error(CONFIGMGR, &["Missed device certificate"], Some(ErrorCode::CA_UNAVAILABLE))
    },
    Signature {
        code: "OID-OU",
        cause: "the provisioning certificate has neither Intel's OID 2.16.840.1.113741.1.2.3 nor the OU \"Intel(R) Client Setup \
                Certificate\", or the root was not sent; the log itself lists further causes of this state",
        remedy: "have the certificate issued with the OID; on Windows 2003 install hotfix 942841 so that the root is sent; check with `amt preflight`",
        ..error(CONFIGMGR, &["0x80090304|Device internal error"], Some(ErrorCode::TLS_CHAIN_REFUSED))
    },
    Signature {
        code: "SELF-BAD",
        cause: "the machine's own self-signed certificate could not be read: machines upgraded to AMT 3.2.1 have one with a date of zero; or \
                what answers speaks no TLS",
        remedy: "update the firmware to 3.2.2 or later, or provision and unprovision once; this software ignores those dates",
        ..error(CONFIGMGR, &["0x80090308"], Some(ErrorCode::TLS_HANDSHAKE))
    },
    Signature {
        code: "SELF-VALIDATED",
        cause: "the console validated the machine's self-signed certificate, which nobody can validate before setup",
        remedy: "switch that validation off for machines in setup mode",
        ..error(CONFIGMGR, &["0x80090325"], Some(ErrorCode::TLS_HANDSHAKE))
    },
    Signature {
        code: "TLS-NO-COMMON",
        cause: "no TLS version or cipher suite in common: firmware before AMT 14 needs suites and versions that current systems switch off",
        remedy: "update the firmware, or use the legacy TLS engine for these machines",
        ..error(CONFIGMGR, &["0x80090331"], Some(ErrorCode::TLS_VERSION))
    },
    Signature {
        code: "CONNECTION-RESET",
        cause: "the connection was reset: the port closed midway, the setup window ended, or the firmware restarted",
        remedy: "re-arm the machine (agent, MEBx or USB key) and try again",
        ..error(ANY, &["0x80072746|ECONNRESET|connection reset by peer"], Some(ErrorCode::CONNECTION_RESET))
    },
    Signature {
        code: "CERT-EXPIRING",
        is_error: false,
        cause: "the provisioning certificate is about to expire; once it has, machines are no longer provisioned",
        remedy: "renew it now, and replace expired intermediates with it",
        ..error(CONFIGMGR, &["provisioning certificate", "will expire in"], None)
    },
    Signature {
        code: "CERT-EXPIRED",
        cause: "the provisioning certificate has expired and was unloaded: new machines are ignored",
        remedy: "renew it; check that the intermediates of the new one are valid too",
        ..error(CONFIGMGR, &["provisioning certificate", "expired"], Some(ErrorCode::NO_CERTIFICATE_FITS))
    },
    Signature {
        code: "CORE-VERSION",
        cause: "no session with the machine came about with the certificates and passwords at hand: the lines before it tell which of the two",
        remedy: "mend what the TLS lines before it say; where there are none, the admin password is not the one expected: reset it in MEBx",
        ..error(
            CONFIGMGR,
            &["Fail to connect and get core version|cannot get core version|getFullCoreVersion"],
            Some(ErrorCode::TLS_CHAIN_REFUSED),
        )
    },
    Signature {
        code: "NOT-OPEN",
        cause: "nothing answers at the machine's management port: setup window over, AMT disabled, wireless address, or a firewall",
        remedy: "re-arm the machine, connect it by cable, and open port 16993 between server and machine",
        ..error(
            ANY,
            &["0x80072741|0x8007274c|error 10061|ECONNREFUSED|tcp_connect()|network interface is not open"],
            Some(ErrorCode::CONNECT_REFUSED),
        )
    },
    Signature {
        code: "CN-SUFFIX",
        cause: "the machine refused the session; with SCS this is mostly a certificate whose name is not of the machine's DNS suffix",
        remedy: "set DHCP option 15 on the wired network, or the PKI DNS suffix in MEBx, to the certificate's domain",
        ..error(SCS, &["0xCFFF06AC|SOAP failure 23|0xc00007d1"], Some(ErrorCode::TLS_CHAIN_REFUSED))
    },
    Signature {
        code: "ROOT-NOHASH",
        cause: "the machine's list of root hashes has none of the certificate's root",
        remedy: "use a certificate of an authority that the machine lists, or enrol the root's hash in MEBx or by USB; compare with `amt hello decode`",
        ..error(
            ANY,
            &[
                "root hash|root certificate hash|certificate hash|thumbprint|hash list",
                "not found in hello|does not match|no matching|lacks|mismatch|not in the list|does not contain",
            ],
            Some(ErrorCode::NO_CERTIFICATE_FITS),
        )
    },
    Signature {
        code: "CA-CHAIN",
        cause: "the certificate authority's own chain could not be built on the server: a root or a revocation list is missing there",
        remedy: "install the authority's root and its current revocation list on the server",
        ..error(SCS, &["0xc0003e93|certificate chain could not be built"], Some(ErrorCode::CA_UNAVAILABLE))
    },
    Signature {
        code: "FQDN-MISSING",
        cause: "the machine's name is not known: nothing tied the UUID of the hello to a host name",
        remedy: "import a list of UUIDs with names, or let an agent report them",
        ..error(
            SCS,
            &["FQDN not acquired|properties script failed|failed to get the FQDN"],
            Some(ErrorCode::NOT_ADMITTED),
        )
    },
    Signature {
        code: "UNKNOWN-MACHINE",
        is_error: false,
        cause: "a machine said hello that the console does not know, and was ignored",
        remedy: "add it to the console's list; with this software: `known` in the configuration",
        ..error(
            ANY,
            &[
                "no such machine|unknown machine|not found in database|Cannot find matched machine|No hello message match|can't find machine",
            ],
            Some(ErrorCode::NOT_ADMITTED),
        )
    },
    Signature {
        code: "ROOT-ORDER",
        cause: "the certificate bundle is incomplete or out of order: it ends at a cross-signed intermediate, or another root",
        remedy: "export it with the whole path; `amt preflight` names the missing issuer",
        ..error(
            "MeshCentral, rps",
            &[
                "unable to order|broken chain|no root certificate|root certificate not found|provisioning certificate chain",
            ],
            Some(ErrorCode::CERTIFICATE_PARSE),
        )
    },
    Signature {
        code: "CHAIN-NOKEY",
        cause: "the private key does not belong to the leaf certificate of the bundle",
        remedy: "export certificate and private key together",
        ..error(MESH, &["key values mismatch"], Some(ErrorCode::PFX_OPEN))
    },
    Signature {
        code: "PFX-ALGO",
        cause: "the PFX file is encrypted with algorithms that current systems refuse (RC2-40, 3DES)",
        remedy: "re-export it with AES-256",
        ..error(
            ANY,
            &["digital envelope routines|RC2-40-CBC|unsupported PKCS12|pkcs12: unknown digest"],
            Some(ErrorCode::PFX_OPEN),
        )
    },
    Signature {
        code: "TLS-LEGACY",
        cause: "the console's TLS library refuses what old firmware offers: no secure renegotiation, TLS 1.0 or 1.1, RSA key exchange",
        remedy: "update the firmware to AMT 14 or later, or use the legacy TLS engine for these machines",
        ..error(
            ANY,
            &[
                "unsafe legacy renegotiation|UNSAFE_LEGACY_RENEGOTIATION|unsupported protocol|protocol version not supported|no protocols available",
            ],
            Some(ErrorCode::TLS_VERSION),
        )
    },
    Signature {
        code: "LMS-OR-TRUST",
        cause: "the tool could not talk to the firmware on the machine itself: no local management service, or, from AMT 19 on, a certificate of \
                the firmware that it does not trust",
        remedy: "install the LMS driver package of the maker; with AMT 19 and later use a version of the tool that knows the on-die authority",
        ..error(TOOLKIT, &["LMS not running|LMS is not running|LME is not available"], Some(ErrorCode::CONNECT_REFUSED))
    },
    Signature {
        code: "HECI",
        cause: "the management engine's driver is missing, or another program holds it",
        remedy: "install the MEI driver, run the tool with administrator rights, and stop other tools that use it",
        ..error(
            TOOLKIT,
            &[
                "HECI driver not detected|unable to open HECI|/dev/mei0: no such|the handle is invalid",
                "heci|mei|amt|handle",
            ],
            Some(ErrorCode::IO),
        )
    },
    Signature {
        code: "DOMAIN-SUFFIX",
        cause: "no certificate of the server is for the DNS suffix that the machine reports",
        remedy: "add a certificate for that domain, or set DHCP option 15 on the wired network to the domain of the one there is",
        ..error(
            TOOLKIT,
            &["Specified AMT domain suffix|domain suffix", "does not match|not registered|not found"],
            Some(ErrorCode::NO_CERTIFICATE_FITS),
        )
    },
    Signature {
        code: "ACTIVATED",
        is_error: false,
        cause: "the machine is set up already",
        remedy: "adopt it with its credentials, or unprovision it first",
        ..error(
            TOOLKIT,
            &["already enabled in|already activated|already provisioned|device is already"],
            Some(ErrorCode::ALREADY_PROVISIONED),
        )
    },
    Signature {
        code: "PASSWORD",
        cause: "the machine refused the password, or has locked the account for a while after wrong ones",
        remedy: "wait, then check the password; guesses must be 20 seconds apart",
        ..error(
            ANY,
            &["401 Unauthorized|WSMAN parsing error|401 (Unauthorized)|status 401|wrong or locked"],
            Some(ErrorCode::WRONG_OR_LOCKED),
        )
    },
    Signature {
        code: "ADCS-TEMPLATE",
        cause: "the AD CS authority does not issue by this template: it is not published there, or the name given is its display name",
        remedy: "in the Certification Authority console: Certificate Templates > New > Certificate Template to Issue; give the template's name, \
                 without blanks, as `certutil -catemplates` lists it",
        ..error(ANY, &["0x80094800|CERTSRV_E_UNSUPPORTED_CERT_TYPE"], Some(ErrorCode::CA_DENIED))
    },
    Signature {
        code: "ADCS-ENROLL",
        cause: "the account that asks AD CS may not enrol for the template",
        remedy: "give that account Read and Enroll in the template's security settings; a service that runs as the system asks as its computer",
        ..error(ANY, &["0x80094012|CERTSRV_E_TEMPLATE_DENIED"], Some(ErrorCode::CA_DENIED))
    },
    Signature {
        code: "ADCS-REFUSED",
        cause: "a certificate manager of the AD CS authority denied the request",
        remedy: "ask whoever looks after Pending Requests there; what is asked for next is a new request",
        ..error(ANY, &["0x80094014|CERTSRV_E_ADMIN_DENIED_REQUEST"], Some(ErrorCode::CA_DENIED))
    },
    Signature {
        code: "ADCS-PENDING",
        cause: "the AD CS authority has taken the request under submission: a certificate manager has to decide on it",
        remedy: "Pending Requests > All Tasks > Issue in the Certification Authority console, or `certutil -resubmit ID`; a template without \"CA \
                 certificate manager approval\" issues at once",
        ..error(ANY, &["Taken Under Submission"], Some(ErrorCode::CA_PENDING))
    },
    Signature {
        code: "NO-NAME",
        cause: "a name could not be resolved: machines do not find the setup server, or the server not the machine",
        remedy: "make provisionserver.<suffix> resolve for every suffix; `amt doctor` checks it",
        ..error(ANY, &["getaddrinfo ENOTFOUND|no such host|0x80072ee7|0x80072af9|NXDOMAIN"], Some(ErrorCode::DNS))
    },
];

/// An error with these words; the rest is given by the entry.
const fn error(source: &'static str, needles: &'static [&'static str], related: Option<ErrorCode>) -> Signature {
    Signature { code: "", source, needles, with: None, is_error: true, cause: "", remedy: "", related }
}

impl Signature {
    /// Whether a message, in lower case, holds what this looks for.
    pub(super) fn is_in(&self, lower: &str) -> bool {
        self.needles.iter().all(|needle| needle.split('|').any(|word| contains(lower, word)))
    }
}

/// Whether `lower` holds `word`, whose case does not count.
pub(super) fn contains(lower: &str, word: &str) -> bool {
    lower.contains(&word.to_ascii_lowercase())
}

/// Whether a message holds any word of the table: nearly all lines of a log do not, and are done with after one pass.
pub(super) fn holds_any(message: &str) -> bool {
    static WORDS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
        let needles = SIGNATURES.iter().flat_map(|s| s.needles.iter().copied().chain(s.with));
        let words = needles.flat_map(|needle| needle.split('|'));
        AhoCorasick::builder().ascii_case_insensitive(true).build(words).ok()
    });
    WORDS.as_ref().is_none_or(|words| words.is_match(message))
}

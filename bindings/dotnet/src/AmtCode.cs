namespace Amt
{
    // Written by `cargo xtask check-abi --bless`, never by hand.

    /// <summary>What can go wrong; docs/errors.md is the list for people.</summary>
    public enum AmtCode : uint
    {
        /// <summary>What to do: pass a valid pointer; see the function's documentation for which may be null.</summary>
        NullPointer = 1,

        /// <summary>What to do: pass a handle made by the matching _new function and not yet freed.</summary>
        BadHandle = 2,

        /// <summary>What to do: make one call at a time on a handle, or use one handle per thread.</summary>
        Busy = 3,

        /// <summary>What to do: free the handle and make a new one; report the earlier panic.</summary>
        Poisoned = 4,

        /// <summary>What to do: this is a bug in the library: please report it with the message; the handle can only be freed.</summary>
        Panic = 5,

        /// <summary>What to do: call poll until it returns nothing before the next handle.</summary>
        NotDrained = 6,

        /// <summary>What to do: rebuild against the header that belongs to this library.</summary>
        AbiMismatch = 7,

        /// <summary>What to do: see the documentation of the call for the accepted values.</summary>
        InvalidArgument = 8,

        /// <summary>What to do: start the operation again; it resumes from the journal.</summary>
        Cancelled = 9,

        /// <summary>What to do: call again with a buffer of the size returned.</summary>
        BufferTooSmall = 10,

        /// <summary>What to do: pass UTF-8.</summary>
        NotUtf8 = 11,

        /// <summary>What to do: use a build with the feature named in the message.</summary>
        Unsupported = 12,

        /// <summary>What to do: the input is cut short: capture or copy it again, whole.</summary>
        DecodeTruncated = 1001,

        /// <summary>What to do: the input is not what it was taken for, or was damaged.</summary>
        DecodeInvalid = 1002,

        /// <summary>What to do: this format is not supported; the message says which it is.</summary>
        DecodeUnsupported = 1003,

        /// <summary>What to do: no genuine message is this large: check what is sending it.</summary>
        DecodeTooLarge = 1004,

        /// <summary>What to do: correct the text named in the message.</summary>
        ParseText = 1005,

        /// <summary>What to do: type it again as printed: 8 or 32 letters and digits; the message names the group that is wrong.</summary>
        PskInvalid = 1006,

        /// <summary>What to do: see the message for record and field; `amt setupbin lint` lists everything that is wrong with a file.</summary>
        SetupBin = 1007,

        /// <summary>What to do: check that the address is an AMT machine and that nothing in between rewrites HTTP.</summary>
        HttpMalformed = 2001,

        /// <summary>What to do: check that WS-Man is enabled on this firmware; try again later if the status is 5xx.</summary>
        HttpStatus = 2002,

        /// <summary>What to do: check that port and address belong to an AMT machine and not to a proxy or web server.</summary>
        NotSoap = 2003,

        /// <summary>What to do: save the reply and report it; try again in case it was damaged on the way.</summary>
        XmlMalformed = 2004,

        /// <summary>What to do: no AMT firmware sends this: check what is answering at this address.</summary>
        XmlRefused = 2005,

        /// <summary>What to do: try again; report the reply if it happens again.</summary>
        SoapUnexpected = 2006,

        /// <summary>What to do: see what the device said; the request does not fit this firmware or its state.</summary>
        SoapFault = 2007,

        /// <summary>What to do: see what the device said; its documentation of this value names the cause.</summary>
        ReturnValue = 2008,

        /// <summary>What to do: check user and password; wait 20 seconds between guesses, or longer if this password worked before.</summary>
        WrongOrLocked = 2009,

        /// <summary>What to do: enable digest authentication on the machine.</summary>
        AuthUnsupported = 2010,

        /// <summary>What to do: the address answers as another machine: check DHCP and the record's address.</summary>
        RealmMismatch = 2011,

        /// <summary>What to do: try again; if it repeats, check the network path to the machine.</summary>
        ReplyTruncated = 2012,

        /// <summary>What to do: no AMT reply is this large: check what is answering at this address.</summary>
        ReplyTooLarge = 2013,

        /// <summary>What to do: this firmware differs from the known ones: save the reply and report it.</summary>
        Property = 2014,

        /// <summary>What to do: check that the machine still has power and network, then try again; a server does so by itself.</summary>
        ReplyTimeout = 2015,

        /// <summary>What to do: get a ticket (`kinit USER@REALM`, or log in to the domain), in the account that runs this program.</summary>
        TicketAbsent = 2020,

        /// <summary>What to do: reach the machine by the full name in its SPNs; `amt directory plan` prints the six that it needs, port and all.</summary>
        TicketServiceUnknown = 2021,

        /// <summary>What to do: set the clocks of this computer, the domain controller and the machine: they may differ by 5 minutes.</summary>
        TicketClock = 2022,

        /// <summary>What to do: use an account that is in fewer groups: its ticket is smaller.</summary>
        TicketTooLarge = 2023,

        /// <summary>What to do: check that the user's or group's SID is among the machine's users, and that key and key version in the machine are the directory's.</summary>
        TicketRefused = 2024,

        /// <summary>What to do: see the message: it is Kerberos' own; check realm and domain controllers in krb5.conf or DNS.</summary>
        TicketFailed = 2025,

        /// <summary>What to do: load or install the MEI driver (mei_me on Linux, Intel Management Engine Interface on Windows); without one this machine has no AMT to talk to.</summary>
        MeiAbsent = 3001,

        /// <summary>What to do: run as root (Linux) or as Administrator or SYSTEM (Windows).</summary>
        MeiPermission = 3002,

        /// <summary>What to do: wait and try again; stop other management tools on this machine, LMS among them, if it stays.</summary>
        MeiBusy = 3003,

        /// <summary>What to do: the machine has no AMT, or its BIOS has switched it off: look in the BIOS setup.</summary>
        MeiClientAbsent = 3004,

        /// <summary>What to do: try again in a minute: the firmware restarts; cut the power if it never comes back.</summary>
        MeiReset = 3005,

        /// <summary>What to do: try again; restart the machine if the firmware stays silent.</summary>
        MeiTimeout = 3006,

        /// <summary>What to do: try again; report the message if it happens again.</summary>
        MeiUnexpected = 3007,

        /// <summary>What to do: see the status in the message; it names the cause.</summary>
        AmtStatus = 3008,

        /// <summary>What to do: enable AMT in the BIOS or the setup menu, or from the system where the firmware lets it (`amt activate --enable`).</summary>
        AmtDisabled = 3009,

        /// <summary>What to do: try again; report the message if it happens again.</summary>
        ApfProtocol = 3010,

        /// <summary>What to do: the firmware offers no such port to its system, or has no channel left: wait a minute and try again.</summary>
        ApfRefused = 3011,

        /// <summary>What to do: restart the service LMS, or stop it: without it the firmware is reached directly.</summary>
        LmsHung = 3012,

        /// <summary>What to do: use the TLS port: this firmware takes no plain connection from its own system.</summary>
        LocalTlsRequired = 3013,

        /// <summary>What to do: see the alert in the message; old firmware may need another TLS engine.</summary>
        TlsHandshake = 4001,

        /// <summary>What to do: run `amt preflight` with this certificate, the hello and the DNS suffix: it lists every reason.</summary>
        TlsChainRefused = 4002,

        /// <summary>What to do: the machine is not in PKI setup mode: window closed, PSK mode, or already set up; re-arm it.</summary>
        TlsNoCertificateRequest = 4003,

        /// <summary>What to do: this firmware needs the legacy TLS engine.</summary>
        TlsVersion = 4004,

        /// <summary>What to do: another machine answers here, or its certificate was replaced: check before trusting it.</summary>
        TlsPinMismatch = 4005,

        /// <summary>What to do: AMT refuses a chain this way too: run `amt preflight`; or the setup window has just closed.</summary>
        TlsClosed = 4006,

        /// <summary>What to do: set legacy_tls = "allow" in the machine's profile if TLS before 1.2 is acceptable on this network.</summary>
        TlsLegacyNotAllowed = 4007,

        /// <summary>What to do: use a build with the feature legacy-tls: pure Rust reaches AMT 14 and later only.</summary>
        TlsLegacyMissing = 4008,

        /// <summary>What to do: the machine must trust the root that issued the certificate (tls.trusted_roots), its name (tls.trusted_names), and have the right time.</summary>
        TlsClientRefused = 4009,

        /// <summary>What to do: check that the file is a certificate in PEM or DER.</summary>
        CertificateParse = 4010,

        /// <summary>What to do: check the password, and re-export with AES-256 if the file is old.</summary>
        PfxOpen = 4011,

        /// <summary>What to do: run `amt preflight` for the certificate you expect to fit; it lists every reason.</summary>
        NoCertificateFits = 4012,

        /// <summary>What to do: mend what the authority names in the message; the next attempt submits a new request.</summary>
        CaDenied = 4020,

        /// <summary>What to do: check the authority's configuration, then try again: the request is repeated; a server does so by itself.</summary>
        CaUnavailable = 4021,

        /// <summary>What to do: check the authority: the certificate must carry the key of the request.</summary>
        CaCertificateWrong = 4022,

        /// <summary>What to do: the machine's key is unusable: it is made anew on the next attempt.</summary>
        CsrInvalid = 4023,

        /// <summary>What to do: approve the request at the authority; the machine is finished after that.</summary>
        CaPending = 4024,

        /// <summary>What to do: the PPS does not belong to this PID in this machine: check the pair list, or enter a new pair in MEBx or by USB key.</summary>
        PskWrong = 4030,

        /// <summary>What to do: the machine's pair was replaced meanwhile: wait for its next hello.</summary>
        PskIdentity = 4031,

        /// <summary>What to do: see which check failed; give the right on-die root, or pin the certificate if you know this machine.</summary>
        OndieChain = 4032,

        /// <summary>What to do: start configuration on the machine again with the right one-time password.</summary>
        OtpMismatch = 5001,

        /// <summary>What to do: see the message for the state; unprovision or re-arm the machine.</summary>
        WrongState = 5002,

        /// <summary>What to do: adopt it with its credentials, or unprovision it first.</summary>
        AlreadyProvisioned = 5003,

        /// <summary>What to do: add its password to known_admin_passwords, or reset the machine in MEBx.</summary>
        AdminPasswordUnknown = 5004,

        /// <summary>What to do: see what the device said: 2057 names missing data such as clock, host name or certificate.</summary>
        CommitRefused = 5005,

        /// <summary>What to do: both credentials are kept: try again, which repeats the proof; a server does so by itself.</summary>
        ProofFailed = 5006,

        /// <summary>What to do: check DHCP: the address was taken over by another machine.</summary>
        WrongMachine = 5007,

        /// <summary>What to do: leave the machine powered for some minutes, then try again; a server does so by itself.</summary>
        KeyNotReady = 5008,

        /// <summary>What to do: correct the profile field named in the message.</summary>
        PlanInvalid = 5009,

        /// <summary>What to do: nothing was sent: make the journal's storage writable and start again.</summary>
        Journal = 5010,

        /// <summary>What to do: see what the device said.</summary>
        StepRefused = 5011,

        /// <summary>What to do: see what the device said; a clock before 2004 is never accepted.</summary>
        ClockRefused = 5012,

        /// <summary>What to do: import the pair with `amt psk import`, or enter a known pair in the machine's MEBx.</summary>
        PskUnknown = 5013,

        /// <summary>What to do: AMT 11 and later are provisioned with a certificate: enter no PID and PPS.</summary>
        PskUnsupported = 5014,

        /// <summary>What to do: see the message; `amt capabilities VERSION` lists what this firmware can do.</summary>
        FirmwareUnsupported = 5015,

        /// <summary>What to do: switch it on in the setup menu, or activate the machine from its own system.</summary>
        ZeroTouchDisabled = 5016,

        /// <summary>What to do: connect the wired network, with DHCP and a DNS suffix (option 15), or give the suffix.</summary>
        NetworkNotReady = 5017,

        /// <summary>What to do: see which modes the firmware allows; another may be chosen, or the setup menu has switched this one off.</summary>
        ControlModeRefused = 5018,

        /// <summary>What to do: see the signer's own words in the message.</summary>
        Signer = 5019,

        /// <summary>What to do: run `amt preflight` with this certificate: it lists every reason.</summary>
        ChainRefused = 5020,

        /// <summary>What to do: nothing was sent: wait until the program named in the message is done, or end it, then try again.</summary>
        MachineLocked = 5021,

        /// <summary>What to do: the port is closed: the setup window ended, AMT is disabled, or the address is another machine's.</summary>
        ConnectRefused = 6001,

        /// <summary>What to do: check power, cable, VLAN and firewalls between here and the machine.</summary>
        ConnectTimeout = 6002,

        /// <summary>What to do: the machine restarted its network or dropped the session: try again; a server does so by itself.</summary>
        ConnectionReset = 6003,

        /// <summary>What to do: the machine ended the session: try again; a server does so by itself.</summary>
        ConnectionClosed = 6004,

        /// <summary>What to do: check routing between here and the machine.</summary>
        Unreachable = 6005,

        /// <summary>What to do: check the name and the DNS servers.</summary>
        Dns = 6006,

        /// <summary>What to do: another program owns the port, or it needs more rights.</summary>
        Listen = 6007,

        /// <summary>What to do: check path and permissions.</summary>
        FileRead = 6008,

        /// <summary>What to do: check path, permissions and free space.</summary>
        FileWrite = 6009,

        /// <summary>What to do: see the message.</summary>
        Io = 6010,

        /// <summary>What to do: check the database file, its permissions and free space.</summary>
        Store = 7001,

        /// <summary>What to do: give the key file that this database was made with; without it sealed credentials cannot be read.</summary>
        SealKey = 7002,

        /// <summary>What to do: the key file is not the one this row was sealed with, or the row was altered.</summary>
        Unseal = 7003,

        /// <summary>What to do: correct the field named in the message.</summary>
        Config = 7004,

        /// <summary>What to do: add the machine's record, or set admit = "auto".</summary>
        NotAdmitted = 7005,

        /// <summary>What to do: list the known ones with `amt fleet list`.</summary>
        MachineUnknown = 7006,

        /// <summary>What to do: have the UUID programmed by the maker's tool, or name the machine by its PID.</summary>
        IdentityUnusable = 7007,

        /// <summary>What to do: correct the rule, program or callback named in the message; the machine is asked about again.</summary>
        Resolver = 7008,

        /// <summary>What to do: look at it with `amt fleet show`; `amt fleet release` lets it in.</summary>
        InUse = 7009,

        /// <summary>What to do: correct the expression where the mark points; `amt fleet fields` lists what can be asked for.</summary>
        Filter = 7010,

        /// <summary>What to do: see the message; the action is repeated, `amt fleet show` tells when.</summary>
        Action = 7011,

        /// <summary>What to do: see the message; the administrator finds the machine with `amt fleet show UUID`.</summary>
        Enrolment = 7012,

        /// <summary>What to do: see the directory's own words in the message; `amt directory plan` prints the same for whoever holds the rights.</summary>
        Directory = 7020,

        /// <summary>What to do: remove the name from the object in the message, or give the machine's account another name.</summary>
        DirectoryConflict = 7021,
    }
}

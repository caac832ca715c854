//! Names of the parts of the firmware and of their events.

type Application = (u16, &'static str, &'static [&'static str]);

/// Number, name and the names of the events from 0 on.
static APPLICATIONS: &[Application] = &[
    (
        16,
        "security administration",
        &[
            "provisioning started",
            "provisioning completed",
            "user added",
            "user modified",
            "user removed",
            "access with invalid credentials",
            "user enabled or disabled",
            "TLS state changed",
            "TLS certificate set",
            "TLS certificate removed",
            "trusted root added",
            "trusted root removed",
            "pre-shared key set",
            "Kerberos settings changed",
            "Kerberos key changed",
            "flash wear-out counters reset",
            "power package changed",
            "realm authentication set",
            "upgraded from client to admin control mode",
            "unprovisioning started",
        ],
    ),
    (
        17,
        "remote control",
        &[
            "power up",
            "power down",
            "power cycle",
            "reset",
            "boot options set",
            "graceful power down",
            "graceful reset",
            "standby",
            "hibernate",
            "non-maskable interrupt",
        ],
    ),
    (
        18,
        "redirection",
        &[
            "storage redirection opened",
            "storage redirection closed",
            "storage redirection enabled",
            "storage redirection disabled",
            "serial over LAN opened",
            "serial over LAN closed",
            "serial over LAN enabled",
            "serial over LAN disabled",
            "KVM opened",
            "KVM closed",
            "KVM enabled",
            "KVM disabled",
            "VNC password failed three times",
        ],
    ),
    (19, "firmware update", &["firmware updated", "firmware update failed"]),
    (
        20,
        "audit log",
        &["log cleared", "policy changed", "log disabled", "log enabled", "log exported", "log recovered"],
    ),
    (21, "network time", &["time set"]),
    (
        22,
        "network administration",
        &["TCP/IP set", "host name set", "domain name set", "VLAN set", "link policy set", "IPv6 set"],
    ),
    (
        23,
        "storage administration",
        &["global attributes set", "access list changed", "partner list changed", "storage written"],
    ),
    (24, "event manager", &["alert subscribed", "alert unsubscribed", "event log cleared", "event log frozen"]),
    (
        25,
        "system defence",
        &[
            "filter added",
            "filter removed",
            "policy added",
            "policy removed",
            "default policy set",
            "heuristics set",
            "heuristics cleared",
        ],
    ),
    (26, "agent presence", &["agent watchdog added", "agent watchdog removed", "agent watchdog action set"]),
    (
        27,
        "wireless",
        &[
            "profile added",
            "profile removed",
            "profile changed",
            "profile synchronisation changed",
            "link preference changed",
            "profile sharing with UEFI changed",
        ],
    ),
    (
        28,
        "endpoint access control",
        &["posture signer set", "switched on", "switched off", "posture state changed", "options set"],
    ),
    (
        29,
        "KVM",
        &["consent switched on", "consent switched off", "password changed", "consent given", "consent refused"],
    ),
    (30, "user consent", &["policy changed", "consent code sent", "start blocked"]),
    (32, "screen blanking", &[]),
    (33, "watchdog", &["", "action settings changed", "action connected or disconnected"]),
];

fn find(application: u16) -> Option<&'static Application> {
    APPLICATIONS.iter().find(|(number, ..)| *number == application)
}

pub(super) fn application(application: u16) -> Option<&'static str> {
    find(application).map(|(_, name, _)| *name)
}

pub(super) fn event(application: u16, event: u16) -> Option<&'static str> {
    let (_, _, events) = find(application)?;
    events.get(usize::from(event)).copied().filter(|name| !name.is_empty())
}

"""How long a reply with AMT_GeneralSettings takes to become typed values: `amtpy` against `xml.etree` of Python, in one run.

Both read the same bytes into the same twenty fields, and both are checked to agree before anything is measured. Prints the best of several rounds;
with a number as second argument, fails unless amtpy is so many times faster.

    python general_settings.py REPLY.xml [LEAST]
"""

import sys
import time
import timeit
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import amtpy

SOAP = "{http://www.w3.org/2003/05/soap-envelope}"
CLASS = "{http://intel.com/wbem/wscim/1/amt-schema/1/AMT_GeneralSettings}"
#: Many short rounds: some of them are left alone by whatever else the machine does.
ROUNDS, CALLS = 60, 200


def text(value: str | None) -> str | None:
    return value


def flag(value: str | None) -> bool | None:
    return None if value is None else value in ("true", "1")


def number(value: str | None) -> int | None:
    return None if value is None else int(value)


#: Field, name on the wire, type.
PROPERTIES: list[tuple[str, str, Callable[[str | None], object]]] = [
    ("digest_realm", "DigestRealm", text),
    ("host_name", "HostName", text),
    ("domain_name", "DomainName", text),
    ("host_os_fqdn", "HostOSFQDN", text),
    ("shared_fqdn", "SharedFQDN", flag),
    ("network_enabled", "AMTNetworkEnabled", number),
    ("network_interface_enabled", "NetworkInterfaceEnabled", flag),
    ("ping_response_enabled", "PingResponseEnabled", flag),
    ("rmcp_ping_response_enabled", "RmcpPingResponseEnabled", flag),
    ("wsman_only_mode", "WsmanOnlyMode", flag),
    ("privacy_level", "PrivacyLevel", number),
    ("power_source", "PowerSource", number),
    ("idle_wake_timeout", "IdleWakeTimeout", number),
    ("ddns_update_enabled", "DDNSUpdateEnabled", flag),
    ("ddns_update_by_dhcp_server_enabled", "DDNSUpdateByDHCPServerEnabled", flag),
    ("ddns_periodic_update_interval", "DDNSPeriodicUpdateInterval", number),
    ("ddns_ttl", "DDNSTTL", number),
    ("preferred_address_family", "PreferredAddressFamily", number),
    ("dhcpv6_configuration_timeout", "DHCPv6ConfigurationTimeout", number),
    ("presence_notification_interval", "PresenceNotificationInterval", number),
]
WIRE = {CLASS + wire: (field, convert) for field, wire, convert in PROPERTIES}


class Settings:
    """What the reading by `xml.etree` comes to."""

    __slots__ = [field for field, _, _ in PROPERTIES]

    def __init__(self) -> None:
        for field in self.__slots__:
            setattr(self, field, None)


def by_etree(reply: bytes) -> Settings:
    body = ElementTree.fromstring(reply).find(SOAP + "Body")
    if body is None:
        raise ValueError("no body")
    instance = body.find(CLASS + "AMT_GeneralSettings")
    if instance is None:
        raise ValueError("no instance")
    settings = Settings()
    for child in instance:
        known = WIRE.get(child.tag)
        if known is not None:
            field, convert = known
            # An empty element has no text to xml.etree, and is an empty text.
            setattr(settings, field, convert(child.text or ""))
    return settings


def values(settings: object) -> list[object]:
    return [getattr(settings, field) for field, _, _ in PROPERTIES]


def best(*calls: Callable[[], object]) -> list[float]:
    """Seconds of processor time that one call of each takes; they take turns, so that a busy machine hinders all alike."""
    timers = [timeit.Timer(call, timer=time.process_time) for call in calls]
    rounds = [[timer.timeit(CALLS) for timer in timers] for _ in range(ROUNDS)]
    return [min(each) / CALLS for each in zip(*rounds, strict=True)]


def main() -> None:
    reply = Path(sys.argv[1]).read_bytes()
    least = float(sys.argv[2]) if len(sys.argv) > 2 else 0.0
    assert values(by_etree(reply)) == values(amtpy.GeneralSettings.parse(reply)), "they read the same"
    # Reading a field makes its Python value, which xml.etree has made before: counted too.
    etree, ours, read_etree, read = best(
        lambda: by_etree(reply),
        lambda: amtpy.GeneralSettings.parse(reply),
        lambda: values(by_etree(reply)),
        lambda: values(amtpy.GeneralSettings.parse(reply)),
    )
    print(f"AMT_GeneralSettings, {len(reply)} bytes, {len(PROPERTIES)} fields, processor time, best of {ROUNDS} rounds of {CALLS}")
    print(f"  decode:                      xml.etree {etree * 1e6:6.1f} us, amtpy {ours * 1e6:6.1f} us: {etree / ours:.1f} times")
    print(f"  decode and read every field: xml.etree {read_etree * 1e6:6.1f} us, amtpy {read * 1e6:6.1f} us: {read_etree / read:.1f} times")
    if min(etree / ours, read_etree / read) < least:
        sys.exit(f"amtpy is less than {least} times as fast")


if __name__ == "__main__":
    main()

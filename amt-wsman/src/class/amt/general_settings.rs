//! `AMT_GeneralSettings` (`spec/wsman.md` §3.1).

use crate::class::class;

class! {
    /// Names, network and privacy settings of the device. One instance. Put requires `PingResponseEnabled` and
    /// `WsmanOnlyMode`.
    GeneralSettings = "AMT_GeneralSettings" {
        /// Realm of HTTP digest: `Digest:` and 32 hexadecimal digits.
        digest_realm: String = "DigestRealm",
        /// Host name without domain, at most 63 characters.
        host_name: Option<String> = "HostName",
        /// Domain, at most 191 characters.
        domain_name: Option<String> = "DomainName",
        /// Name that the operating system gave itself.
        host_os_fqdn: Option<String> = "HostOSFQDN",
        /// Whether host and AMT share one name.
        shared_fqdn: Option<bool> = "SharedFQDN",
        /// 1 when AMT has the network.
        network_enabled: Option<u32> = "AMTNetworkEnabled",
        /// Whether the network interface is on.
        network_interface_enabled: Option<bool> = "NetworkInterfaceEnabled",
        /// Whether it answers ICMP echo requests.
        ping_response_enabled: Option<bool> = "PingResponseEnabled",
        /// Whether it answers RMCP pings.
        rmcp_ping_response_enabled: Option<bool> = "RmcpPingResponseEnabled",
        /// Whether the older SOAP interface is off.
        wsman_only_mode: Option<bool> = "WsmanOnlyMode",
        /// 0 default, 1 enhanced, 2 extreme.
        privacy_level: Option<u32> = "PrivacyLevel",
        /// 0 mains, 1 battery.
        power_source: Option<u32> = "PowerSource",
        /// Minutes until AMT sleeps, 1 to 65535.
        idle_wake_timeout: Option<u32> = "IdleWakeTimeout",
        /// Whether AMT updates DNS by itself.
        ddns_update_enabled: Option<bool> = "DDNSUpdateEnabled",
        /// Whether the DHCP server updates DNS for it.
        ddns_update_by_dhcp_server_enabled: Option<bool> = "DDNSUpdateByDHCPServerEnabled",
        /// Minutes between updates of DNS.
        ddns_periodic_update_interval: Option<u32> = "DDNSPeriodicUpdateInterval",
        /// Seconds that a DNS record lives.
        ddns_ttl: Option<u32> = "DDNSTTL",
        /// 0 IPv4, 1 IPv6.
        preferred_address_family: Option<u32> = "PreferredAddressFamily",
        /// Seconds; 0 for unlimited.
        dhcpv6_configuration_timeout: Option<u32> = "DHCPv6ConfigurationTimeout",
        /// Seconds between presence notifications; 0 for none.
        presence_notification_interval: Option<u32> = "PresenceNotificationInterval",
    }
}

//! `AMT_EthernetPortSettings` (`spec/wsman.md` §3.5).

use super::super::Class;
use crate::class::class;
use crate::op::Request;

class! {
    /// One network port. Told apart by [`WIRED`](Self::WIRED) and [`WIRELESS`](Self::WIRELESS), never by position.
    EthernetPortSettings = "AMT_EthernetPortSettings" {
        /// Which port.
        instance_id: String = "InstanceID",
        /// `a4-ae-…`; missing or zero means that there is no such port.
        mac_address: Option<String> = "MACAddress",
        /// Whether the address comes from DHCP.
        dhcp_enabled: Option<bool> = "DHCPEnabled",
        /// IPv4 address.
        ip_address: Option<String> = "IPAddress",
        /// Subnet mask.
        subnet_mask: Option<String> = "SubnetMask",
        /// Gateway.
        default_gateway: Option<String> = "DefaultGateway",
        /// First DNS server.
        primary_dns: Option<String> = "PrimaryDNS",
        /// Second DNS server.
        secondary_dns: Option<String> = "SecondaryDNS",
        /// Whether the address follows the host's.
        ip_sync_enabled: Option<bool> = "IpSyncEnabled",
        /// Whether host and AMT share a static address.
        shared_static_ip: Option<bool> = "SharedStaticIp",
        /// Whether they share an address from DHCP.
        shared_dynamic_ip: Option<bool> = "SharedDynamicIP",
        /// Whether they share the MAC address.
        shared_mac: Option<bool> = "SharedMAC",
        /// Whether the link is up.
        link_is_up: Option<bool> = "LinkIsUp",
        /// 1 S0 on mains, 14 sleep on mains, 16 S0 on battery, 224 sleep on battery.
        link_policy: Vec<u32> = "LinkPolicy",
        /// 1 AMT, 2 host.
        link_preference: Option<u32> = "LinkPreference",
        /// 0 integrated wired, 1 discrete wired, 2 Thunderbolt dock, 3 wireless.
        physical_connection_type: Option<u32> = "PhysicalConnectionType",
        /// VLAN.
        vlan_tag: Option<u32> = "VLANTag",
    }
}

impl EthernetPortSettings {
    /// `InstanceID` of the wired port.
    pub const WIRED: &'static str = "Intel(r) AMT Ethernet Port Settings 0";
    /// `InstanceID` of the wireless port.
    pub const WIRELESS: &'static str = "Intel(r) AMT Ethernet Port Settings 1";

    /// `LinkPreference`: the device has the wireless link.
    pub const FIRMWARE: u32 = 1;
    /// `LinkPreference`: the machine's own system has it.
    pub const HOST: u32 = 2;

    /// Gives the wireless link to the device for some seconds, or back.
    pub fn set_link_preference(preference: u32, seconds: u32) -> Request {
        Request::invoke(Self::NAME, "SetLinkPreference")
            .selector("InstanceID", Self::WIRELESS)
            .arg("LinkPreference", preference)
            .arg("Timeout", seconds)
    }

    /// Reads one port.
    pub fn get_one(instance_id: &str) -> Request {
        Request::get(Self::NAME).selector("InstanceID", instance_id)
    }
}

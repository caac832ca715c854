//! `IPS_IPv6PortSettings` (`spec/wsman.md` §3.5).

use crate::class::class;

class! {
    /// IPv6 of a port.
    Ipv6PortSettings = "IPS_IPv6PortSettings" {
        /// Which port.
        instance_id: String = "InstanceID",
        /// Address that was set by hand; `::` is none.
        address: Option<String> = "IPv6Address",
        /// Router likewise.
        default_router: Option<String> = "DefaultRouter",
        /// DNS server likewise.
        primary_dns: Option<String> = "PrimaryDNS",
        /// Second DNS server likewise.
        secondary_dns: Option<String> = "SecondaryDNS",
        /// Where the interface identifier comes from: 0 random, 1 Intel's, 2 by hand.
        interface_id_type: Option<u32> = "InterfaceIDType",
        /// The one by hand, sixteen hexadecimal digits.
        manual_interface_id: Option<String> = "ManualInterfaceID",
    }
}

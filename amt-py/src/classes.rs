//! Replies as they come from the wire: `GeneralSettings`, typed, and `decode` for any.

use crate::exception::raise;
use amt_wsman::class::{amt, decode as decode_class};
use amt_wsman::decode::describe;
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;

/// A value class with the fields of a class of the library.
macro_rules! typed {
    ($(#[$doc:meta])* $class:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[pyclass(frozen, eq, hash, module = "amtpy")]
        #[derive(PartialEq, Eq, Hash)]
        pub(crate) struct $class {
            $($(#[$field_doc])* #[pyo3(get)] $field: $type,)*
        }

        impl From<amt::$class> for $class {
            fn from(read: amt::$class) -> Self {
                Self { $($field: read.$field,)* }
            }
        }

        #[pymethods]
        impl $class {
            /// Reads the instance in a reply to Get, Put or Pull: the whole SOAP envelope. Raises `DecodeError`, which names the
            /// property, or `WsmanFault`.
            #[staticmethod]
            #[pyo3(signature = (reply, /))]
            fn parse(py: Python<'_>, reply: PyBuffer<u8>) -> PyResult<Self> {
                let bytes = reply.to_vec(py)?;
                decode_class::<amt::$class>(&bytes).map(Self::from).map_err(|error| raise(error.failure("decode")))
            }

            fn __repr__(&self) -> String {
                let mut text = format!("{}(", stringify!($class));
                $(
                    text.push_str(concat!(stringify!($field), "="));
                    text.push_str(&Shown::shown(&self.$field));
                    text.push_str(", ");
                )*
                format!("{})", text.trim_end_matches(", "))
            }
        }
    };
}

typed! {
    /// `AMT_GeneralSettings`: names, network and privacy settings of a machine. What its firmware leaves out is `None`.
    GeneralSettings {
        /// Realm of HTTP digest: `Digest:` and 32 hexadecimal digits.
        digest_realm: String,
        /// Host name without domain.
        host_name: Option<String>,
        /// Domain.
        domain_name: Option<String>,
        /// Name that the operating system gave itself.
        host_os_fqdn: Option<String>,
        /// Whether host and AMT share one name.
        shared_fqdn: Option<bool>,
        /// 1 when AMT has the network.
        network_enabled: Option<u32>,
        /// Whether the network interface is on.
        network_interface_enabled: Option<bool>,
        /// Whether it answers ICMP echo requests.
        ping_response_enabled: Option<bool>,
        /// Whether it answers RMCP pings.
        rmcp_ping_response_enabled: Option<bool>,
        /// Whether the older SOAP interface is off.
        wsman_only_mode: Option<bool>,
        /// 0 default, 1 enhanced, 2 extreme.
        privacy_level: Option<u32>,
        /// 0 mains, 1 battery.
        power_source: Option<u32>,
        /// Minutes until AMT sleeps.
        idle_wake_timeout: Option<u32>,
        /// Whether AMT updates DNS by itself.
        ddns_update_enabled: Option<bool>,
        /// Whether the DHCP server updates DNS for it.
        ddns_update_by_dhcp_server_enabled: Option<bool>,
        /// Minutes between updates of DNS.
        ddns_periodic_update_interval: Option<u32>,
        /// Seconds that a DNS record lives.
        ddns_ttl: Option<u32>,
        /// 0 IPv4, 1 IPv6.
        preferred_address_family: Option<u32>,
        /// Seconds; 0 for unlimited.
        dhcpv6_configuration_timeout: Option<u32>,
        /// Seconds between presence notifications; 0 for none.
        presence_notification_interval: Option<u32>,
    }
}

/// A field as Python writes it.
trait Shown {
    fn shown(&self) -> String;
}

impl Shown for String {
    fn shown(&self) -> String {
        format!("{self:?}")
    }
}

impl Shown for bool {
    fn shown(&self) -> String {
        if *self { "True" } else { "False" }.to_owned()
    }
}

impl Shown for u32 {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl<T: Shown> Shown for Option<T> {
    fn shown(&self) -> String {
        self.as_ref().map_or_else(|| "None".to_owned(), Shown::shown)
    }
}

/// What a saved SOAP envelope says, whatever the class: the dict that `amt wsman decode --json` prints.
///
/// >>> import amtpy
/// >>> envelope = b"""<Envelope xmlns="http://www.w3.org/2003/05/soap-envelope"><Body>
/// ...     <AMT_GeneralSettings><DigestRealm>Digest:0</DigestRealm><DDNSTTL>900</DDNSTTL></AMT_GeneralSettings>
/// ... </Body></Envelope>"""
/// >>> amtpy.decode(envelope)["items"]
/// [{'class': 'AMT_GeneralSettings', 'properties': {'DigestRealm': 'Digest:0', 'DDNSTTL': '900'}}]
/// >>> amtpy.GeneralSettings.parse(envelope).ddns_ttl
/// 900
#[pyfunction]
#[pyo3(signature = (envelope, /))]
pub(crate) fn decode<'py>(py: Python<'py>, envelope: PyBuffer<u8>) -> PyResult<Bound<'py, PyAny>> {
    let description = describe(&envelope.to_vec(py)?).map_err(|error| raise(error.failure("decode")))?;
    // Properties stay in the order of the reply.
    py.import("json")?.call_method1("loads", (description.to_json().to_string(),))
}

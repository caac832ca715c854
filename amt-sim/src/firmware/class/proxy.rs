//! HTTP proxies through which the machine leaves a network (`spec/wsman.md` §3.10); from AMT 12 on.

use super::refusal::{Refusal, answer};
use super::remote_access::fits;
use super::{Call, Class, Instance, Output, SERVICE, argument, number, service};
use crate::firmware::device::Device;
use crate::firmware::remote_access::{MAX_PROXIES, Proxy};
use crate::firmware::soap::{Fault, reference};
use crate::persona::Persona;
use amt_core::Tick;
use amt_core::status::PtStatus;
use amt_wsman::soap::Reference;

const PROXY_SERVICE: &str = "IPS_HTTPProxyService";
const PROXY: &str = "IPS_HTTPProxyAccessPoint";
const NAME: &str = "Intel(r) ME:HTTP Proxy Access Point ";
const MAX_SUFFIX: usize = 192;

pub(super) const CLASSES: &[Class] = &[
    Class { present, methods: &[("AddProxyAccessPoint", add)], ..Class::read(PROXY_SERVICE, SERVICE, list) },
    Class { present, delete: Some(delete), ..Class::read(PROXY, SERVICE, list_proxies) },
];

fn present(persona: &Persona) -> bool {
    persona.version.major >= 12
}

fn list(_: &Device, _: Tick) -> Vec<Instance> {
    vec![service(PROXY_SERVICE, "Intel(r) ME HTTP Proxy Service", &[])]
}

fn list_proxies(device: &Device, _: Tick) -> Vec<Instance> {
    let proxies = device.remote_access.proxies.iter();
    proxies
        .map(|proxy| {
            let mut told = Instance::new(PROXY);
            told.push("AccessInfo", proxy.address.as_str());
            told.push("CreationClassName", PROXY);
            told.push("ElementName", "Intel(r) ME:HTTP Proxy Access Point");
            told.push("InfoFormat", proxy.format);
            told.push("Name", format!("{NAME}{}", proxy.number));
            told.push("NetworkDnsSuffix", proxy.suffix.as_str());
            told.push("Port", proxy.port);
            told.push("SystemCreationClassName", "CIM_ComputerSystem");
            told.push("SystemName", "Intel(r) AMT");
            told
        })
        .collect()
}

fn delete(device: &mut Device, _: &Call<'_>, current: &Instance) -> Result<(), Fault> {
    let name = current.text("Name").ok_or_else(Fault::no_instance)?;
    device.remote_access.proxies.retain(|proxy| format!("{NAME}{}", proxy.number) != name);
    Ok(())
}

fn add(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    let mut output = answer(proxy(device, call))?;
    if output.value != 0 {
        // What real firmware sends along with a refusal: a reference to nothing.
        let nothing = Reference { address: "default".to_owned(), ..Reference::default() };
        output = output.with("ProxyAccessPoint", nothing);
    }
    Ok(output)
}

fn proxy(device: &mut Device, call: &Call<'_>) -> Result<Output, Refusal> {
    let (address, format, port) = (argument(call, "AccessInfo")?, number(call, "InfoFormat")?, number(call, "Port")?);
    let suffix = argument(call, "NetworkDnsSuffix")?;
    if !fits(address, format) || !(1..=65_535).contains(&port) || suffix.len() > MAX_SUFFIX {
        return Err(PtStatus::INVALID_PARAMETER.into());
    }
    let access = &mut device.remote_access;
    let same = |proxy: &Proxy| proxy.address == address && proxy.port == port && proxy.suffix == suffix;
    if access.proxies.iter().any(same) {
        return Err(PtStatus::DUPLICATE.into());
    }
    if access.proxies.len() >= MAX_PROXIES {
        return Err(PtStatus::MAX_LIMIT_REACHED.into());
    }
    let taken = |number: &u32| access.proxies.iter().any(|proxy| proxy.number == *number);
    let number = (1..).find(|number| !taken(number)).unwrap_or(u32::MAX);
    let (address, suffix) = (address.to_owned(), suffix.to_owned());
    access.proxies.push(Proxy { number, address, format, port, suffix });
    let name = format!("{NAME}{number}");
    let keys = [
        ("CreationClassName", PROXY),
        ("Name", name.as_str()),
        ("SystemCreationClassName", "CIM_ComputerSystem"),
        ("SystemName", "Intel(r) AMT"),
    ];
    Ok(Output::ok().with("ProxyAccessPoint", reference(PROXY, &keys)))
}

//! Host and domain name of a machine, and the names that its certificate carries for them.

use amt_core::SystemId;
use amt_wsman::instance::Instance;

/// Host and domain as one name.
pub(crate) fn full(host: &str, domain: Option<&str>) -> String {
    match domain.filter(|domain| !domain.is_empty()) {
        Some(domain) => format!("{host}.{domain}"),
        None => host.to_owned(),
    }
}

/// A property of `AMT_GeneralSettings` that says something.
pub(crate) fn own<'a>(general: &'a Instance, property: &str) -> Option<&'a str> {
    general.text(property).map(str::trim).filter(|text| !text.is_empty())
}

/// Sets the names that are given and differ. Tells whether any did: then `general` is to be put back.
pub(crate) fn change(general: &mut Instance, host: Option<&str>, domain: Option<&str>) -> bool {
    let mut changed = false;
    for (property, wanted) in [("HostName", host), ("DomainName", domain)] {
        if let Some(wanted) = wanted
            && general.text(property) != Some(wanted)
        {
            general.set(property, wanted);
            changed = true;
        }
    }
    changed
}

/// What a machine's certificate is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CertificateNames {
    pub(crate) common_name: String,
    pub(crate) dns_names: Vec<String>,
}

impl CertificateNames {
    /// The full name and the host alone; a machine without a host name has its UUID.
    pub(crate) fn new(host: Option<&str>, domain: Option<&str>, id: SystemId) -> Self {
        let Some(host) = host else { return Self { common_name: id.to_string(), dns_names: Vec::new() } };
        let common_name = full(host, domain);
        let mut dns_names = vec![common_name.clone()];
        if common_name != host {
            dns_names.push(host.to_owned());
        }
        Self { common_name, dns_names }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_names_the_machine_fully_and_by_its_host_name() {
        let id = SystemId::from_wire([1; 16]);
        let names = CertificateNames::new(Some("pc1"), Some("example.com"), id);
        assert_eq!((names.common_name.as_str(), names.dns_names.len()), ("pc1.example.com", 2));
        assert_eq!(CertificateNames::new(Some("pc1"), Some(""), id).dns_names, ["pc1"]);
        assert_eq!(CertificateNames::new(None, Some("example.com"), id).common_name, id.to_string());
    }

    #[test]
    fn only_names_that_differ_are_changed() {
        let mut general = Instance::new("AMT_GeneralSettings");
        general.push("HostName", "pc1");
        general.push("DomainName", "");
        assert!(!change(&mut general, Some("pc1"), None));
        assert!(change(&mut general, Some("pc1"), Some("example.com")));
        assert_eq!((own(&general, "DomainName"), own(&general, "Absent")), (Some("example.com"), None));
    }
}

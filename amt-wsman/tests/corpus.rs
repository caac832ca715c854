//! Replies recorded from real firmware, read only where `AMT_CORPUS` names their folder.
#![allow(clippy::print_stdout, reason = "a test that reads nothing says so")]

use amt_wsman::class::{Class, amt, cim, decode, decode_all, ips};
use amt_wsman::decode::{Json, describe};
use amt_wsman::instance::Instance;
use amt_wsman::op::Reply;
use amt_wsman::soap::{Envelope, Kind};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The recorded envelopes by path; none, with a line that says so, without `AMT_CORPUS`.
fn corpus() -> Vec<(PathBuf, Vec<u8>)> {
    let Some(folder) = std::env::var_os("AMT_CORPUS") else {
        println!("AMT_CORPUS is not set: recorded replies are not read");
        return Vec::new();
    };
    let mut found = Vec::new();
    gather(&Path::new(&folder).join("wsman"), &mut found);
    assert!(!found.is_empty(), "there are no replies in AMT_CORPUS");
    found
}

fn gather(folder: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "xml") {
            found.push((path.clone(), std::fs::read(&path).unwrap()));
        }
    }
}

/// How often each text stands in the body's leaves, read by another parser.
fn leaf_texts(document: &str) -> BTreeMap<String, usize> {
    let document = roxmltree::Document::parse(document.trim_start_matches('\u{feff}').trim_start()).unwrap();
    let body = document.descendants().find(|node| node.tag_name().name() == "Body").unwrap();
    let leaves =
        body.descendants().filter(|node| node.is_element() && !node.children().any(|child| child.is_element()));
    let mut texts = BTreeMap::new();
    for leaf in leaves {
        let text: String = leaf.children().filter_map(|child| child.text()).collect();
        *texts.entry(text.trim().to_owned()).or_insert(0) += 1;
    }
    texts
}

/// How often each text stands in the description, names of classes and what the header says left out.
fn strings(json: &Json, found: &mut BTreeMap<String, usize>) {
    match json {
        Json::String(text) => *found.entry(text.clone()).or_insert(0) += 1,
        Json::Array(values) => values.iter().for_each(|value| strings(value, found)),
        Json::Object(members) => members
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "class" | "kind" | "action" | "method"))
            .for_each(|(_, value)| strings(value, found)),
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

#[test]
fn every_recorded_reply_decodes_and_keeps_every_text() {
    let corpus = corpus();
    for (path, bytes) in &corpus {
        let description = describe(bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut kept = BTreeMap::new();
        strings(&description.to_json(), &mut kept);
        for (text, times) in leaf_texts(std::str::from_utf8(bytes).unwrap()) {
            let found = kept.get(&text).copied().unwrap_or(0);
            assert!(text.is_empty() || found >= times, "{}: {text:?} {found} of {times} times", path.display());
        }
        let request = path.ends_with("amt/boot/settingdata/put.xml");
        let kind = if request { Kind::Request } else { Kind::Response };
        assert_eq!(description.kind, kind, "{}", path.display());
        assert!(description.class.is_some(), "{}", path.display());
        let method = description.items.iter().any(|item| item.class.ends_with("_OUTPUT"));
        assert_eq!(description.return_value.is_some(), method, "{}", path.display());
        assert_eq!(description.method.is_some(), method, "{}", path.display());
    }
    println!("{} recorded replies", corpus.len());
}

#[test]
fn every_truncation_of_a_recorded_reply_is_an_error() {
    for (path, bytes) in corpus().iter().take(8) {
        for cut in 0..bytes.trim_ascii_end().len() {
            assert!(describe(&bytes[..cut]).is_err(), "{} cut at {cut}", path.display());
        }
    }
}

/// Reads every recorded instance of `T` from tokens and from the tree; how many there are.
fn typed<T: Class + PartialEq + std::fmt::Debug>(corpus: &[(PathBuf, Vec<u8>)]) -> usize {
    let mut count = 0;
    for (path, bytes) in corpus {
        let description = describe(bytes).unwrap();
        let of_class = |item: &&Instance| item.class == T::NAME;
        let tree: Vec<T> =
            description.items.iter().filter(of_class).map(|item| T::from_instance(item).unwrap()).collect();
        if let Some(first) = tree.first() {
            assert_eq!(&decode::<T>(bytes).unwrap(), first, "{}", path.display());
            assert_eq!(decode_all::<T>(bytes).unwrap(), tree, "{}", path.display());
        }
        count += tree.len();
    }
    count
}

#[test]
fn typed_classes_read_recorded_instances() {
    let corpus = corpus();
    if corpus.is_empty() {
        return;
    }
    for (class, count) in [
        (amt::GeneralSettings::NAME, typed::<amt::GeneralSettings>(&corpus)),
        (amt::SetupAndConfigurationService::NAME, typed::<amt::SetupAndConfigurationService>(&corpus)),
        (amt::TimeSynchronizationService::NAME, typed::<amt::TimeSynchronizationService>(&corpus)),
        (amt::PublicKeyCertificate::NAME, typed::<amt::PublicKeyCertificate>(&corpus)),
        (amt::TlsCredentialContext::NAME, typed::<amt::TlsCredentialContext>(&corpus)),
        (amt::TlsProtocolEndpointCollection::NAME, typed::<amt::TlsProtocolEndpointCollection>(&corpus)),
        (amt::EthernetPortSettings::NAME, typed::<amt::EthernetPortSettings>(&corpus)),
        (amt::MessageLog::NAME, typed::<amt::MessageLog>(&corpus)),
        (amt::AuditLog::NAME, typed::<amt::AuditLog>(&corpus)),
        (cim::ComputerSystemPackage::NAME, typed::<cim::ComputerSystemPackage>(&corpus)),
        (cim::Card::NAME, typed::<cim::Card>(&corpus)),
        (cim::PhysicalMemory::NAME, typed::<cim::PhysicalMemory>(&corpus)),
        (cim::Battery::NAME, typed::<cim::Battery>(&corpus)),
        (cim::Chassis::NAME, typed::<cim::Chassis>(&corpus)),
        (cim::AssociatedPowerManagementService::NAME, typed::<cim::AssociatedPowerManagementService>(&corpus)),
        (amt::BootSettingData::NAME, typed::<amt::BootSettingData>(&corpus)),
        (cim::BootConfigSetting::NAME, typed::<cim::BootConfigSetting>(&corpus)),
        (cim::BootService::NAME, typed::<cim::BootService>(&corpus)),
        (cim::BootSourceSetting::NAME, typed::<cim::BootSourceSetting>(&corpus)),
        (amt::EnvironmentDetectionSettingData::NAME, typed::<amt::EnvironmentDetectionSettingData>(&corpus)),
        (amt::ManagementPresenceRemoteSap::NAME, typed::<amt::ManagementPresenceRemoteSap>(&corpus)),
        (amt::MpsUsernamePassword::NAME, typed::<amt::MpsUsernamePassword>(&corpus)),
        (amt::Profile8021x::NAME, typed::<amt::Profile8021x>(&corpus)),
        (amt::RemoteAccessPolicyAppliesToMps::NAME, typed::<amt::RemoteAccessPolicyAppliesToMps>(&corpus)),
        (amt::RemoteAccessPolicyRule::NAME, typed::<amt::RemoteAccessPolicyRule>(&corpus)),
        (amt::RemoteAccessService::NAME, typed::<amt::RemoteAccessService>(&corpus)),
        (amt::UserInitiatedConnectionService::NAME, typed::<amt::UserInitiatedConnectionService>(&corpus)),
        (amt::WifiPortConfigurationService::NAME, typed::<amt::WifiPortConfigurationService>(&corpus)),
        (cim::WifiEndpointSettings::NAME, typed::<cim::WifiEndpointSettings>(&corpus)),
        (cim::WifiPort::NAME, typed::<cim::WifiPort>(&corpus)),
        (ips::HostBasedSetupService::NAME, typed::<ips::HostBasedSetupService>(&corpus)),
        (amt::RedirectionService::NAME, typed::<amt::RedirectionService>(&corpus)),
        (ips::Ipv6PortSettings::NAME, typed::<ips::Ipv6PortSettings>(&corpus)),
        (cim::KvmRedirectionSap::NAME, typed::<cim::KvmRedirectionSap>(&corpus)),
    ] {
        assert!(count > 0, "no recorded instance of {class}");
    }
}

#[test]
fn recorded_instances_survive_being_put_back() {
    for (path, bytes) in corpus() {
        for item in describe(&bytes).unwrap().items.iter().filter(|item| item.class.contains('_')) {
            let request = amt_wsman::op::Request::put(item).encode(1);
            let body = Envelope::decode(&request).unwrap().body;
            assert_eq!(&Instance::from_node(&body[0]), item, "{}", path.display());
        }
    }
}

#[test]
fn recorded_audit_records_decode() {
    let mut records = 0;
    for (path, bytes) in corpus().iter().filter(|(path, _)| path.ends_with("amt/auditlog/readrecords.xml")) {
        let reply = Reply::decode(&amt::AuditLog::read_records(1), &Envelope::decode(bytes).unwrap()).unwrap();
        let page = amt::AuditLog::page(&reply).unwrap();
        assert_eq!(page.total, 2, "{}", path.display());
        for record in &page.records {
            let bytes = record.as_deref().unwrap();
            let record = amt_core::audit_log::AuditRecord::decode(bytes).unwrap();
            assert_eq!((record.event_name(), &record.encode()[..]), (Some("firmware updated"), bytes));
            records += 1;
        }
    }
    println!("{records} recorded audit records");
}

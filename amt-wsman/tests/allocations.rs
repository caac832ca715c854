//! The typed reading of a reply allocates little: a setup server reads tens of thousands of them.

use amt_wsman::class::amt::GeneralSettings;

const MAX_ALLOCATIONS: u64 = 20;

#[test]
fn general_settings_take_at_most_twenty_allocations() {
    let reply = include_bytes!("data/general_settings.xml");
    let mut settings = None;
    let info = allocation_counter::measure(|| settings = Some(amt_wsman::class::decode::<GeneralSettings>(reply)));
    assert_eq!(settings.unwrap().unwrap().host_name.as_deref(), Some("desk-0042"));
    assert!(info.count_total <= MAX_ALLOCATIONS, "{} allocations, {} bytes", info.count_total, info.bytes_total);
}

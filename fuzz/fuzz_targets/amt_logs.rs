//! A record of the event log or the audit log is refused or means what its bytes say, and has a text.
#![no_main]

use amt_core::audit_log::AuditRecord;
use amt_core::event_log::EventRecord;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(record) = EventRecord::decode(data) {
        assert_eq!(record.encode(), data);
        assert!(!record.text().is_empty());
    }
    if let Ok(record) = AuditRecord::decode(data) {
        assert_eq!(record.encode(), data);
        let _ = (record.application_name(), record.event_name(), record.initiator.name(), record.address_text());
    }
});

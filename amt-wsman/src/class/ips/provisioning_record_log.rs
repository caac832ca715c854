//! `IPS_ProvisioningRecordLog` (`spec/wsman.md` §3.1).

use crate::class::class;

class! {
    /// The log of setups.
    ProvisioningRecordLog = "IPS_ProvisioningRecordLog" {
        /// Key.
        instance_id: Option<String> = "InstanceID",
        /// Name.
        name: Option<String> = "Name",
        /// How many records there are.
        current_number_of_records: Option<u32> = "CurrentNumberOfRecords",
        /// How many there can be.
        max_number_of_records: Option<u32> = "MaxNumberOfRecords",
    }
}

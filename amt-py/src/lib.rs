//! `amtpy._amt`: glue between Python and the library. What users import is the package `amtpy` in `python/`.

mod awaitable;
mod callback;
mod capabilities;
mod certificate;
mod classes;
mod convert;
mod enroll;
mod exception;
mod fleet;
mod hello;
mod instance;
mod listener;
mod local;
mod machine;
mod operate;
mod preflight;
mod provision;
mod psk;
mod resolver;
mod server;
mod setupbin;
mod signer;
mod sim;
mod upkeep;
mod wait;

#[pyo3::pymodule(gil_used = false)]
mod _amt {
    #[pymodule_export]
    use crate::capabilities::capabilities;
    #[pymodule_export]
    use crate::classes::{GeneralSettings, decode};
    #[pymodule_export]
    use crate::enroll::enroll;
    #[pymodule_export]
    use crate::fleet::{Credential, Fleet, Token};
    #[pymodule_export]
    use crate::hello::{Hello, Root};
    #[pymodule_export]
    use crate::listener::{HelloEvent, HelloListener};
    #[pymodule_export]
    use crate::local::{LocalOutcome, local_activate, local_status, local_unprovision};
    #[pymodule_export]
    use crate::machine::Session;
    #[pymodule_export]
    use crate::operate::discover;
    #[pymodule_export]
    use crate::preflight::{Finding, preflight};
    #[pymodule_export]
    use crate::provision::{Certificate, Outcome, provision, provision_async};
    #[pymodule_export]
    use crate::psk::PskPair;
    #[pymodule_export]
    use crate::server::{Events, SetupServer};
    #[pymodule_export]
    use crate::setupbin::SetupBin;
    #[pymodule_export]
    use crate::signer::Chain;
    #[pymodule_export]
    use crate::sim::{VirtualMachine, VirtualMachines};
    #[pymodule_export]
    use crate::upkeep::{Attempt, check_profile, record_passwords};
}

//! `amtpy._amt`: glue between Python and the library. What users import is the package `amtpy` in `python/`.

mod certificate;
mod convert;
mod enroll;
mod exception;
mod fleet;
mod hello;
mod preflight;
mod provision;
mod resolver;
mod server;
mod wait;

#[pyo3::pymodule(gil_used = false)]
mod _amt {
    #[pymodule_export]
    use crate::enroll::enroll;
    #[pymodule_export]
    use crate::fleet::{Credential, Fleet, Token};
    #[pymodule_export]
    use crate::hello::{Hello, Root};
    #[pymodule_export]
    use crate::preflight::{Finding, preflight};
    #[pymodule_export]
    use crate::provision::{Certificate, Outcome, provision};
    #[pymodule_export]
    use crate::server::{Events, SetupServer};
}

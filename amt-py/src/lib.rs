//! `amtpy._amt`: glue between Python and the library. What users import is the package `amtpy` in `python/`.

mod certificate;
mod exception;
mod hello;
mod preflight;
mod provision;

#[pyo3::pymodule(gil_used = false)]
mod _amt {
    #[pymodule_export]
    use crate::hello::{Hello, Root};
    #[pymodule_export]
    use crate::preflight::{Finding, preflight};
    #[pymodule_export]
    use crate::provision::{Certificate, Outcome, provision};
}

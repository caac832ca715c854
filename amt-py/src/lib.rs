//! `amtpy._amt`: glue between Python and the library. What users import is the package `amtpy` in `python/`.

mod exception;
mod hello;

#[pyo3::pymodule(gil_used = false)]
mod _amt {
    #[pymodule_export]
    use crate::hello::{Hello, Root};
}

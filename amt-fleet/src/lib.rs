//! The setup server for fleets of Intel AMT machines and its database.
//!
//! Layer 4 of the workspace, optional everywhere: [`amt`](https://docs.rs/amt) works with a journal of the host's own. [`Fleet`] is the database, `server` listens for hellos and provisions,
//! [`ca`] holds the certificate authorities that come built in.
#![forbid(unsafe_code)]

pub mod ca;
pub mod config;
mod digest;
mod failpoint;
pub mod names;
pub mod seal;
mod store;

pub use store::{
    CaRequest, Credential, CredentialKind, DiaryEntry, Fleet, IssuedCertificate, KnownMachine, MAX_DIARY, MAX_HELLOS,
    MAX_UNADMITTED, Machine, MachineState, Origin, TlsFacts,
};

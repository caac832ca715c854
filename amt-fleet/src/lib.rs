//! The setup server for fleets of Intel AMT machines and its database.
//!
//! Layer 4 of the workspace, optional everywhere: `amt` works with a journal of the host's own. [`Fleet`] is the database,
//! [`Server`] listens for hellos and provisions, [`ca`] holds the certificate authorities that come built in,
//! [`config::Config`] is the file that an administrator writes. [`report`] tells what an
//! [`Observer`] saw, [`doctor`] what is wrong with a set-up, [`logs`] what the logs of other tools mean. A program that provisions single machines by itself uses
//! [`FleetHost`].
#![forbid(unsafe_code)]

pub mod ca;
mod certificates;
pub mod config;
mod digest;
pub mod doctor;
pub mod event;
mod glance;
mod host;
pub mod logs;
pub mod names;
pub mod report;
pub mod seal;
mod server;
mod store;

pub use event::{FleetEvent, MAX_BACKLOG, Progress, Subscription};
pub use glance::{Glance, Glimpse};
pub use host::FleetHost;
pub use server::{Observation, Observer, Server, ServerBuilder, Verdict};
pub use store::{
    CaRequest, Credential, CredentialKind, DiaryEntry, Fleet, IssuedCertificate, KnownMachine, MAX_DIARY, MAX_HELLOS,
    MAX_UNADMITTED, Machine, MachineState, Origin, TlsFacts,
};

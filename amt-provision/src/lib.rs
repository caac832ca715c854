//! Provisioning procedures as resumable machines without I/O.
//!
//! Layer 2 of the workspace. A procedure is given bytes, time and randomness and asks for what it needs: a connection, bytes to
//! send, a [`Record`] to be made durable, a certificate to be issued. Whoever drives it may stop at any
//! instruction: started again with the last durable record, it reads the machine's state and goes on from there.
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::as_conversions)
)]

pub mod apply;
pub mod boot;
pub mod ca;
mod certificate;
pub mod clock;
mod commit;
pub mod csr;
pub mod document;
pub mod event;
pub mod facts;
pub mod journal;
pub mod local;
pub mod machine;
pub mod managed;
mod names;
pub mod password;
pub mod plan;
pub mod profile;
pub mod remote;
pub mod rename;
pub mod renew;
pub mod replace;
pub mod rotate;
mod session;
pub mod step;
pub mod unprovision;

pub use apply::{Applied, ApplyRecord};
pub use boot::BootRecord;
pub use ca::{CaAnswer, CertificateRequest, KeyAnswer, KeyRequest, Purpose, REMOTE_CONSOLE};
pub use event::Event;
pub use facts::MachineFacts;
pub use journal::Record;
pub use managed::Access;
pub use plan::{InUse, PasswordPolicy, Plan, TlsSettings};
pub use rename::{RenameRecord, Renamed};
pub use renew::{RenewRecord, Renewed};
pub use replace::{Replacement, Stage};
pub use step::Step;

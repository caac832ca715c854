//! Procedures of the machine's own system: what the firmware says over HECI, its hellos, and setup without any server
//! (`spec/heci.md` §4.3, §6, `spec/wsman.md` §4(c), (d), (g)).
//!
//! They ask the firmware by [`Output::Mei`](crate::machine::Output::Mei) and speak WS-Man over its local channel. What changes
//! something is sent once; when its answer is lost, the firmware's state is read over HECI.

pub mod activate;
mod ask;
pub mod blocker;
mod chain;
mod classic;
mod hello;
mod link;
mod secure;
pub mod start;
pub mod status;
pub mod unprovision;

pub use activate::{Activate, Activated};
pub use chain::SigningChain;
pub use start::{Start, Started, Stop};
pub use status::{Facts, LocalStatus, Standing};
pub use unprovision::{Extent, Unprovision, Unprovisioned};

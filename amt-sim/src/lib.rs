//! Virtual Intel AMT firmware: machines that any setup server can provision, without hardware.
//!
//! [`Firmware`] is one machine, sans-IO: for tests in memory, with virtual time. [`Simulator`] puts machines on loopback
//! addresses of their own with the real ports. The simulator refuses what firmware refuses: it is there to catch the
//! mistakes of a setup server, and shares none of its procedures.

pub mod authority;
pub mod certificate;
pub mod chain;
pub mod digest;
pub mod fault;
pub mod firmware;
pub mod http;
pub mod keys;
#[cfg(target_os = "linux")]
pub mod mei_file;
pub mod mix;
mod net;
pub mod ondie;
pub mod persona;
pub mod seed;
pub mod suite;
mod ticket;
pub mod usb;

pub use chain::{ChainFault, RootHash};
pub use fault::{Direction, Fault, FaultKind, FaultPlan, Place};
pub use firmware::{Firmware, LmeDefects, MachineConfig, MachineTruth, MeiGone, MeiRefusal, SetUp};
pub use mix::Variant;
pub use net::{MAX_MACHINES, MachineInfo, MeiConnection, MeiDevice, MeiSlot, SimConfig, Simulator};
pub use persona::Persona;

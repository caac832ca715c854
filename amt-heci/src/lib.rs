//! HECI: what a program in the machine's own operating system and the management engine say to each other, without I/O.
//!
//! Layer 1 of the workspace. [`mei`] names the firmware's clients; each has a room with its messages: [`amthi`] (the AMT host
//! interface), [`watchdog`], [`mkhi`], [`upid`]. [`apf`] is the port forwarding protocol, spoken over the client LME and over CIRA. [`hfsts`] and [`smbios`] read what the machine tells without being asked. All of
//! it is `spec/heci.md`.
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::as_conversions)
)]

pub mod amthi;
pub mod apf;
pub mod hfsts;
pub mod mei;
pub mod mkhi;
pub mod smbios;
pub mod upid;
pub mod watchdog;

//! Operating a machine that is set up: its power, its next boot, its logs, what it is made of, who has its sessions, whom it trusts
//! (`spec/wsman.md` §3.1, §3.8, §3.9, §3.11, §3.12).
//!
//! Every function works on a [`Device`](crate::Device), makes its calls one after the other, and says in its errors what the
//! firmware said. A call that changes what the computer does is made once: when its reply is lost, the machine is asked how it
//! stands.

mod audit_log;
mod boot;
mod event_log;
mod inventory;
mod power;
mod sessions;
mod trust;

pub use audit_log::{AuditLog, MAX_AUDITS, audit_log};
pub use boot::{BootPlan, BootState, NextBoot, Then, boot_next, boot_state, clear_boot};
pub use event_log::{EventLog, MAX_EVENTS, clear_event_log, event_log, freeze_event_log};
pub use inventory::{Inventory, inventory};
pub use power::{PowerAction, PowerChange, PowerState, PowerStatus, change_power, power_status};
pub use sessions::{Consent, ConsentFor, ConsentState, Session, SessionState, Sessions, ask_session, sessions};
pub use trust::{MachineTrust, TrustChange, add_trust, trust};

//! The C ABI. `include/amt.h` is generated from this crate; `docs/abi.md` tells the rules to its users.
//!
//! - A handle is opaque, made by a function that writes it to an out parameter, and freed with the `_free` of its type; freeing null does nothing.
//! - Every call returns an [`amt_status`](status::amt_status), 0 for success, and takes a last parameter `err`, which may be null: where it is
//!   not, a failed call writes an error object there, to be freed with `amt_error_free`, and a successful one writes null.
//! - Text and bytes go in as pointer and length, UTF-8 where they are text, never NUL-terminated; null is fine with length 0. They
//!   come out as pointer and length into the handle asked, which never changes once made, and are valid until it is freed.
//! - No structure crosses by value, enumerations are `uint32_t`. There is no callback but the sink of the log ([`log`]).
//! - A handle may move between threads. A function that takes it as `const` may run beside others; of those that change it one runs
//!   at a time, and a second one returns `AMT_E_BUSY`.
//! - A panic is caught, returns `AMT_E_PANIC` and poisons the handles of that call: they can still be freed.
//! - Nothing is written to stdout or stderr, no signal handler is set, no thread is started before a call needs one.
#![allow(non_camel_case_types, reason = "the types are named as in C")]
// Handles leave this crate as raw pointers only; the types behind them are of no use to Rust callers.
#![allow(private_interfaces)]
// Text and bytes are two parameters each.
#![allow(clippy::too_many_arguments)]

#[cfg(panic = "abort")]
compile_error!("amt-ffi contains panics at its border and needs panic = \"unwind\"");

mod argument;
pub mod capabilities;
pub mod certificate;
pub mod codes;
pub mod device;
pub mod document;
pub mod error;
pub mod event;
pub mod findings;
pub mod fleet;
mod guard;
mod handle;
pub mod hello;
mod inbox;
pub mod job;
pub mod listener;
pub mod local;
pub mod log;
pub mod operate;
pub mod provision;
pub mod psk;
pub mod question;
pub mod record;
pub mod server;
pub mod setupbin;
pub mod signature;
pub mod status;
#[doc(hidden)]
pub mod test_panic;
mod text;
pub mod upkeep;
pub mod version;

//! All tests of the crate in one program: linking takes longer than running most of them.

mod apply;
mod boot;
mod clock;
mod crash;
mod eap;
mod facts;
mod faults;
mod local;
mod profile;
mod psk;
mod remote;
mod rename;
mod renew;
mod rotate;
mod support;
mod unprovision;

//! All tests of the crate in one program: linking takes longer than running most of them.

mod boot;
mod cadence;
mod chain;
mod ieee8021x;
mod inband;
mod mei_file;
mod network;
mod personas;
mod profile_features;
mod profile_network;
mod profile_users;
mod psk;
mod redirection;
mod refuses;
mod remote_access;
mod services;
mod setup;
mod support;
mod typed;
mod unprovision;
mod usb;
mod wireless;

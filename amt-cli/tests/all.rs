//! All tests of the crate in one program: linking takes longer than running most of them.

mod ca;
mod contract;
mod corpus;
mod eap;
mod enroll;
mod fleet;
mod golden;
mod identity;
mod intake;
mod jobs;
mod lab;
mod local;
mod locked;
mod looking;
mod mutual;
mod openssl_files;
mod operate;
mod psk;
mod serve;
mod settings;
mod setupbin;
mod story;
mod unprovision;
mod wsman;

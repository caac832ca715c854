//! The setup server for fleets of Intel AMT machines and its database.
//!
//! Layer 4 of the workspace, optional everywhere: `amt` works with a journal of the host's own. [`Fleet`] is the database,
//! [`Server`] listens for hellos and provisions, [`ca`] holds the certificate authorities that come built in,
//! [`config::Config`] is the file that an administrator writes. [`filter`] says which machines are meant. [`report`] tells what an
//! [`Observer`] saw, [`doctor`] what is wrong with a set-up, [`logs`] what the logs of other tools mean. A program that provisions single machines by itself uses
//! [`FleetHost`].
#![forbid(unsafe_code)]

pub mod action;
pub mod ca;
mod cause;
mod certificates;
pub mod config;
pub mod console;
mod digest;
pub mod directory;
pub mod doctor;
pub mod event;
pub mod fact;
pub mod filter;
mod glance;
mod guard;
mod host;
mod http;
pub mod intake;
pub mod json;
pub mod list;
pub mod logs;
pub mod names;
pub mod pairs;
pub mod profiles;
mod program;
pub mod report;
pub mod resolve;
mod roots;
pub mod seal;
mod server;
mod sign;
mod store;
mod words;

pub use event::{FleetEvent, MAX_BACKLOG, Progress, Subscription};
pub use fact::{Disagreement, Fact, FactKey, FactSource, Facts};
pub use filter::{Filter, FilterError, Sort};
pub use glance::{Glance, Glimpse};
pub use guard::{Conflict, ConflictKind, Evidence, EvidenceKind, GuardPolicy};
pub use host::FleetHost;
pub use server::{Observation, Observer, Server, ServerBuilder, Verdict};
pub use sign::SignProgram;
pub use store::{
    Action, ActionState, Adoption, AppliedProfile, CONFIGURE, CaRequest, Collection, Credential, CredentialKind,
    DiaryEntry, EnrolmentToken, Fleet, Imported, ImportedPairs, IssuedCertificate, Job, KnownMachine, Listed,
    MAX_COLLECTION_NAME, MAX_COLLECTIONS, MAX_COMMENT, MAX_DIARY, MAX_ENDED, MAX_HELLOS, MAX_JOB_CONCURRENCY,
    MAX_MEBX_PASSWORD, MAX_PAIRS, MAX_PAST_FACTS, MAX_TOKEN_NOTE, MAX_TOKEN_USES, MAX_UNADMITTED, Machine, MachinePair,
    MachineState, Membership, Name, Operation, Origin, PairScope, PairState, Parked, RENAME, RENEW, Release,
    ReleaseOrder, Report, SecretPair, TOKENS_KEPT, TakenBack, TlsFacts, TokenTerms, VaultPair,
};

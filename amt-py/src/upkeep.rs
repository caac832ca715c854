//! What changes how a machine is set up: a profile applied, another password, a setup taken back, each with a record that is stored
//! before anything depends on it; and how the machine stands.

use crate::awaitable::awaitable;
use crate::convert::{to_python, word, wrong};
use crate::enroll::AbortOnDrop;
use crate::exception::raise;
use crate::preflight::Finding;
use crate::provision::open_authority;
use crate::wait::{broken, runtime, wait};
use amt::profile::{Folder, load_profile, parse_profile, read_profile_for};
use amt::{Administrator, ApplyHost, Host, RenewHost};
use amt_core::{ErrorCode, Failure, Secret, SystemId};
use amt_fleet::ca::{CertificateAuthority, LocalCa, LocalCaFiles};
use amt_fleet::json;
use amt_provision::apply::ApplyRecord;
use amt_provision::profile::{Profile, Syntax};
use amt_provision::renew::Due;
use amt_provision::unprovision::Extent;
use amt_provision::{CaAnswer, CertificateRequest, Event, Record, RenewRecord};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Mutex, oneshot};
use tokio::task::JoinHandle;

const EXTENTS: [(&str, Extent); 2] = [("full", Extent::Full), ("partial", Extent::Partial)];

/// What is to be done, with what an earlier attempt stored.
pub(crate) enum Upkeep {
    Status,
    Configure {
        profile: Box<Profile>,
        folder: Folder,
        record: Option<ApplyRecord>,
        authority: Option<LocalCaFiles>,
        dry_run: bool,
    },
    Rotate {
        record: Option<Record>,
        password: Option<Secret<String>>,
    },
    Renew {
        record: Option<RenewRecord>,
        due: Due,
        authority: LocalCaFiles,
    },
    Unprovision {
        record: Option<Record>,
        extent: Extent,
        dry_run: bool,
    },
}

impl Upkeep {
    /// A profile as a file, or as a document.
    pub(crate) fn configure(
        given: Given,
        record: Option<Vec<u8>>,
        authority: Option<(PathBuf, PathBuf)>,
        dry_run: bool,
    ) -> PyResult<Self> {
        let (profile, folder) = match given {
            Given::File(file) => (load_profile(&file).map_err(raise)?, Folder::of(&file)),
            Given::Document(text) => (parse_profile(&text).map_err(raise)?, Folder::at(PathBuf::new())),
        };
        let record = record.map(|record| ApplyRecord::decode(&record)).transpose().map_err(raise)?;
        let authority = authority.map(|(certificate, key)| LocalCaFiles::new(certificate, key));
        Ok(Self::Configure { profile: Box::new(profile), folder, record, authority, dry_run })
    }

    pub(crate) fn rotate(record: Option<Vec<u8>>, password: Option<String>) -> PyResult<Self> {
        Ok(Self::Rotate { record: machine_record(record)?, password: password.map(Secret::from) })
    }

    pub(crate) fn renew(
        record: Option<Vec<u8>>,
        at_percent: Option<u8>,
        (certificate, key): (PathBuf, PathBuf),
    ) -> PyResult<Self> {
        let due = match at_percent {
            None => Due::Now,
            Some(percent @ 1..=100) => Due::Percent(percent),
            Some(_) => return Err(wrong("at_percent: 1 to 100")),
        };
        let record = record.map(|record| RenewRecord::decode(&record)).transpose().map_err(raise)?;
        Ok(Self::Renew { record, due, authority: LocalCaFiles::new(certificate, key) })
    }

    pub(crate) fn unprovision(record: Option<Vec<u8>>, extent: &str, dry_run: bool) -> PyResult<Self> {
        let extent = word(&EXTENTS, |(name, _)| name, "extent", extent)?.1;
        Ok(Self::Unprovision { record: machine_record(record)?, extent, dry_run })
    }

    /// Does it: the document that the command line prints.
    async fn run(self, admin: Administrator, mut host: Asking) -> Result<Value, Failure> {
        Ok(match self {
            Self::Status => json::facts(&admin.facts(&host).await?),
            Self::Configure { profile, folder, record, authority, dry_run } => {
                if let Some(authority) = authority {
                    host.authority = Some(open_authority(authority).await?);
                }
                let certifies = host.authority.is_some();
                json::applied(&admin.configure(&profile, &folder, record, dry_run, certifies, &host).await?, dry_run)
            }
            Self::Rotate { record, password } => json::rotated(&admin.rotate(record, password, &host).await?),
            Self::Renew { record, due, authority } => {
                host.authority = Some(open_authority(authority).await?);
                json::renewed(&admin.renew(record, due, &host).await?)
            }
            Self::Unprovision { record, extent, dry_run } => {
                let done = admin.unprovision(record, extent, dry_run, &host).await?;
                json::unprovisioned(&done, extent, dry_run)
            }
        })
    }
}

fn machine_record(record: Option<Vec<u8>>) -> PyResult<Option<Record>> {
    record.map(|record| Record::decode(&record)).transpose().map_err(raise)
}

/// A profile: the path of its file, or the document itself.
pub(crate) enum Given {
    File(PathBuf),
    Document(String),
}

impl Given {
    pub(crate) fn read(file: Option<PathBuf>, document: Option<String>) -> PyResult<Self> {
        match (file, document) {
            (Some(file), None) => Ok(Self::File(file)),
            (None, Some(document)) => Ok(Self::Document(document)),
            _ => Err(wrong("profile: a file or a document")),
        }
    }
}

/// Everything that is wrong with a profile.
#[pyfunction]
#[pyo3(signature = (file, document, firmware))]
pub(crate) fn check_profile(
    file: Option<PathBuf>,
    document: Option<String>,
    firmware: Option<&str>,
) -> PyResult<Vec<Finding>> {
    let firmware = firmware.map(str::parse).transpose().map_err(raise)?;
    let (profile, mut findings) = match Given::read(file, document)? {
        Given::File(file) => read_profile_for(&file, firmware),
        Given::Document(text) => Profile::read_for(&text, Syntax::guess(&text), firmware),
    }
    .map_err(raise)?;
    findings.extend(profile.iter().flat_map(|profile| profile.check(firmware)));
    Ok(findings.into_iter().map(Finding::from).collect())
}

/// The passwords of `admin` in a record that `Machine.rotate` or `Machine.unprovision` had stored, likeliest first. More than one as long as it
/// is not proven which of them the machine took.
#[pyfunction]
#[pyo3(signature = (record, /))]
pub(crate) fn record_passwords(record: Vec<u8>) -> PyResult<Vec<String>> {
    let record = Record::decode(&record).map_err(raise)?;
    Ok(record.admin_passwords.iter().map(|password| password.expose().clone()).collect())
}

/// A record on its way to whoever stores it.
type Question = (Secret<Vec<u8>>, oneshot::Sender<Result<(), Failure>>);

/// The host of an attempt: has records stored by whoever takes the turns.
struct Asking {
    questions: UnboundedSender<Question>,
    /// None where nothing is certified.
    authority: Option<LocalCa>,
}

impl Asking {
    async fn store(&self, record: Secret<Vec<u8>>) -> Result<(), Failure> {
        let gone = || Failure::new(ErrorCode::CANCELLED, "journal", "nobody stores records any more");
        let (sender, answer) = oneshot::channel();
        self.questions.send((record, sender)).map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }
}

impl Host for Asking {
    async fn persist(&self, record: &Record) -> Result<(), Failure> {
        self.store(record.encode()).await
    }

    async fn certify(&self, request: &CertificateRequest) -> CaAnswer {
        match &self.authority {
            Some(authority) => authority.certify(request).await,
            None => CaAnswer::Failed(Failure::new(ErrorCode::CA_UNAVAILABLE, "certify", "there is no authority")),
        }
    }

    fn event(&self, _: SystemId, _: &Event) {}
}

impl ApplyHost for Asking {
    async fn persist_apply(&self, record: &ApplyRecord) -> Result<(), Failure> {
        self.store(record.encode()).await
    }
}

impl RenewHost for Asking {
    async fn persist_renewal(&self, record: &RenewRecord) -> Result<(), Failure> {
        self.store(record.encode()).await
    }
}

/// An attempt, taken in turns by the package: `bytes` are a record to be stored, everything else is the end.
#[pyclass(frozen, module = "amtpy._amt")]
pub(crate) struct Attempt {
    turns: Arc<Turns>,
    _work: AbortOnDrop,
}

struct Turns {
    state: Mutex<State>,
    /// The answer that is due.
    answer: std::sync::Mutex<Option<oneshot::Sender<Result<(), Failure>>>>,
}

struct State {
    questions: UnboundedReceiver<Question>,
    /// Until it has told its end.
    work: Option<JoinHandle<Result<Value, Failure>>>,
}

enum Turn {
    Store(Secret<Vec<u8>>),
    Done(Value),
}

impl Attempt {
    /// Begins; `admin` is made on the way.
    pub(crate) fn begin(
        upkeep: Upkeep,
        admin: impl Future<Output = Result<Administrator, Failure>> + Send + 'static,
    ) -> PyResult<Self> {
        let (sender, questions) = unbounded_channel();
        let work = runtime().map_err(raise)?.spawn(async move {
            let host = Asking { questions: sender, authority: None };
            upkeep.run(admin.await?, host).await
        });
        let abort = AbortOnDrop(work.abort_handle());
        let turns =
            Turns { state: Mutex::new(State { questions, work: Some(work) }), answer: std::sync::Mutex::new(None) };
        Ok(Self { turns: Arc::new(turns), _work: abort })
    }
}

#[pymethods]
impl Attempt {
    /// The next turn, waited for.
    fn next<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        wait(py, Arc::clone(&self.turns).next())?.into_python(py)
    }

    /// The same, to be awaited.
    fn next_async<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        awaitable(py, Arc::clone(&self.turns).next(), |py, turn| turn.into_python(py).map(Bound::unbind))
    }

    /// The record is durable, or could not be made so, for this reason.
    #[pyo3(signature = (reason=None))]
    fn stored(&self, reason: Option<String>) -> PyResult<()> {
        let answer = self.turns.answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let answer = answer.ok_or_else(|| wrong("no record waits to be stored"))?;
        let result = match reason {
            None => Ok(()),
            Some(reason) => Err(Failure::new(ErrorCode::JOURNAL, "journal", reason)),
        };
        // Nobody listens any more where the attempt has ended.
        let _ = answer.send(result);
        Ok(())
    }
}

impl Turns {
    async fn next(self: Arc<Self>) -> Result<Turn, Failure> {
        let mut state = self.state.lock().await;
        if let Some((record, answer)) = state.questions.recv().await {
            *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
            return Ok(Turn::Store(record));
        }
        // The host is gone with the procedure, which has ended.
        let Some(work) = &mut state.work else {
            return Err(Failure::new(ErrorCode::INVALID_ARGUMENT, "call", "the attempt has ended"));
        };
        let ended = work.await;
        state.work = None;
        ended.map_err(|error| broken(&error.to_string()))?.map(Turn::Done)
    }
}

impl Turn {
    fn into_python(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        match self {
            Self::Store(record) => Ok(PyBytes::new(py, record.expose()).into_any()),
            Self::Done(document) => to_python(py, &document),
        }
    }
}

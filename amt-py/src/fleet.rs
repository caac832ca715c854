//! `Fleet`, `Token` and `Credential`.

use crate::convert::{from_python, id, list, seconds, to_python, wrong};
use crate::exception::raise;
use crate::wait::{broken, runtime, wait};
use amt_core::Failure;
use amt_fleet::{DiaryEntry, Fact, Filter, Machine, Membership, ReleaseOrder, Report, TokenTerms, json};
use pyo3::prelude::*;
use serde_json::json;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// The database of a fleet: machines, what is said of them, who may enrol, collections.
///
/// Several programs may use one database at a time; one of them may be its setup server. A context manager, which closes it.
#[pyclass(frozen, module = "amtpy")]
pub(crate) struct Fleet {
    open: Mutex<Option<amt_fleet::Fleet>>,
    path: PathBuf,
    /// Held by every setup server on it: until they have stopped it cannot be closed.
    servers: Arc<()>,
}

/// A token that clients enrol with. Neither `repr` nor `str` shows it: `reveal()` does.
#[pyclass(frozen, module = "amtpy")]
pub(crate) struct Token {
    /// Its number, to speak of it.
    #[pyo3(get)]
    number: i64,
    pub(crate) token: amt_fleet::intake::wire::Token,
}

/// A password of a machine. Neither `repr` nor `str` shows it.
#[pyclass(frozen, module = "amtpy")]
pub(crate) struct Credential {
    /// What it opens: `"admin"`, the network administrator, or `"mebx"`, the setup menu.
    #[pyo3(get)]
    kind: &'static str,
    /// Account.
    #[pyo3(get)]
    account: String,
    /// The password.
    #[pyo3(get)]
    password: String,
}

/// A database that several want at once is made by the first of them.
static OPENING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Opens a database, or makes it.
pub(crate) async fn open(path: PathBuf, key_file: PathBuf) -> Result<amt_fleet::Fleet, Failure> {
    let _only = OPENING.lock().await;
    let runtime = runtime()?;
    // On a thread of its own: the migrations of the database stay on the one that they began on.
    let open = move || runtime.block_on(amt_fleet::Fleet::open_with_key_file(&path, &key_file));
    runtime.spawn_blocking(open).await.map_err(|error| broken(&error.to_string()))?
}

#[pymethods]
impl Token {
    /// The token itself, as `amt enroll --token-file` takes it.
    fn reveal(&self) -> String {
        self.token.reveal().expose().clone()
    }

    fn __repr__(&self) -> String {
        format!("Token(number={})", self.number)
    }
}

#[pymethods]
impl Credential {
    fn __repr__(&self) -> String {
        format!("Credential(kind={:?}, account={:?})", self.kind, self.account)
    }
}

impl Fleet {
    /// The database, if it was not closed.
    pub(crate) fn get(&self) -> PyResult<amt_fleet::Fleet> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.clone().ok_or_else(|| wrong("the database was closed"))
    }

    /// To be held by a setup server for as long as it runs.
    pub(crate) fn serve(&self) -> PyResult<(amt_fleet::Fleet, Arc<()>)> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let fleet = open.clone().ok_or_else(|| wrong("the database was closed"))?;
        Ok((fleet, Arc::clone(&self.servers)))
    }
}

#[pymethods]
impl Fleet {
    /// Opens the database at `path`, or makes it, with the key in `key_file`, made together with a new database; absent: `path` with `.key`.
    #[new]
    #[pyo3(signature = (path, key_file=None))]
    fn new(py: Python<'_>, path: PathBuf, key_file: Option<PathBuf>) -> PyResult<Self> {
        let key_file = key_file.unwrap_or_else(|| path.with_added_extension("key"));
        let open = wait(py, open(path.clone(), key_file))?;
        Ok(Self { open: Mutex::new(Some(open)), path, servers: Arc::new(()) })
    }

    /// Every machine that fits the filter `where`, such as `"verified and version >= 16"`; sorted by a field, `"name"` or, downwards,
    /// `"-hello"`. The documents are those of `amt fleet list --json`.
    #[pyo3(signature = (r#where=None, *, sort=None, limit=None))]
    fn machines<'py>(
        &self,
        py: Python<'py>,
        r#where: Option<&str>,
        sort: Option<&str>,
        limit: Option<u32>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let filter = r#where.map_or(Ok(Filter::every()), filter)?;
        let sort = sort.map(str::parse).transpose().map_err(raise)?;
        let fleet = self.get()?;
        let machines = wait(py, async move { fleet.select(&filter, sort, limit).await })?;
        list(py, &machines, Machine::to_json)
    }

    /// One machine. Raises `AmtError` with the name `MACHINE_UNKNOWN`.
    fn machine<'py>(&self, py: Python<'py>, uuid: &Bound<'_, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let (fleet, id) = (self.get()?, id(uuid)?);
        let machine = wait(py, async move { fleet.machine(id).await })?;
        to_python(py, &machine.to_json())
    }

    /// What is said of a machine and by whom, the most trusted source of each key first; with `history`, what was ever said, oldest first.
    #[pyo3(signature = (uuid, *, history=false))]
    fn facts<'py>(&self, py: Python<'py>, uuid: &Bound<'_, PyAny>, history: bool) -> PyResult<Bound<'py, PyAny>> {
        let (fleet, id) = (self.get()?, id(uuid)?);
        let facts: Vec<Fact> = wait(py, async move {
            if history {
                return fleet.fact_history(id).await;
            }
            Ok(fleet.facts(id).await?.iter().cloned().collect())
        })?;
        list(py, &facts, Fact::to_json)
    }

    /// The last lines of a machine's diary, oldest first.
    #[pyo3(signature = (uuid, *, limit=200))]
    fn diary<'py>(&self, py: Python<'py>, uuid: &Bound<'_, PyAny>, limit: u32) -> PyResult<Bound<'py, PyAny>> {
        let (fleet, id) = (self.get()?, id(uuid)?);
        let diary = wait(py, async move { fleet.diary(id, limit).await })?;
        list(py, &diary, DiaryEntry::to_json)
    }

    /// The passwords that may open a machine, likeliest first within each kind.
    fn credentials(&self, py: Python<'_>, uuid: &Bound<'_, PyAny>) -> PyResult<Vec<Credential>> {
        let (fleet, id) = (self.get()?, id(uuid)?);
        let credentials = wait(py, async move { fleet.credentials(id).await })?;
        let credential = |c: amt_fleet::Credential| Credential {
            kind: c.kind.name(),
            account: c.account,
            password: c.password.expose().clone(),
        };
        Ok(credentials.into_iter().map(credential).collect())
    }

    /// Records what `source` (`"operator"`, `"list"`, …) says of a machine that is known: `{"fqdn": "pc1.example.com", "label": ["a", "b"]}`.
    /// Of every key named, what the same source said before ends. Returns whether anything is new.
    fn report(
        &self,
        py: Python<'_>,
        uuid: &Bound<'_, PyAny>,
        source: &str,
        facts: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        let facts = from_python(facts)?.map_err(|why| wrong(format!("facts: {why}")))?;
        let report =
            Report::said(id(uuid)?, source, &facts).map_err(|failure| wrong(failure.into_details().message))?;
        let fleet = self.get()?;
        wait(py, async move { fleet.report(report).await })
    }

    /// Lets a machine in, or with `boot` a boot action fire once, whatever the guard says; `by` tells the diary who decided that.
    /// Of several machines with this UUID, the one at `address` is meant.
    #[pyo3(signature = (uuid, *, by, boot=false, address=None))]
    fn release(
        &self,
        py: Python<'_>,
        uuid: &Bound<'_, PyAny>,
        by: String,
        boot: bool,
        address: Option<&str>,
    ) -> PyResult<()> {
        let mut order = ReleaseOrder::by(by);
        order.boot = boot;
        let address =
            address.map(|text| text.parse().map_err(|_| wrong(format!("address: {text:?} is no IP address"))));
        order.address = address.transpose()?;
        let (fleet, id) = (self.get()?, id(uuid)?);
        wait(py, async move { fleet.release(id, order).await })
    }

    /// Has a verified machine provisioned again when it says hello next. Its known passwords are kept.
    fn redo(&self, py: Python<'_>, uuid: &Bound<'_, PyAny>) -> PyResult<()> {
        let (fleet, id) = (self.get()?, id(uuid)?);
        wait(py, async move { fleet.redo(id).await })
    }

    /// Makes a token with which so many machines may enrol, for `expires` seconds (absent: for ever), or with `uuid` that machine alone.
    #[pyo3(signature = (*, uses=1, expires=None, uuid=None, note=None))]
    fn new_token(
        &self,
        py: Python<'_>,
        uses: u32,
        expires: Option<f64>,
        uuid: Option<&Bound<'_, PyAny>>,
        note: Option<String>,
    ) -> PyResult<Token> {
        let mut terms = TokenTerms::default();
        (terms.uses, terms.note) = (uses, note);
        terms.machine = uuid.map(id).transpose()?;
        if let Some(expires) = expires {
            let end = SystemTime::now().checked_add(seconds("expires", expires)?);
            terms.expires_at = Some(end.ok_or_else(|| wrong("expires: no clock goes so far"))?);
        }
        let fleet = self.get()?;
        let (number, token) = wait(py, async move { fleet.new_token(terms).await })?;
        Ok(Token { number, token })
    }

    /// Lets nobody enrol with a token any more; machines that did stay enrolled.
    fn revoke_token(&self, py: Python<'_>, number: i64) -> PyResult<()> {
        let fleet = self.get()?;
        wait(py, async move { fleet.revoke_token(number).await })
    }

    /// Makes the collection `name` of the machines that fit the filter `where`, or gives it this filter. Returns who joined and who left.
    #[pyo3(signature = (name, r#where))]
    fn collection<'py>(&self, py: Python<'py>, name: String, r#where: &str) -> PyResult<Bound<'py, PyAny>> {
        let (fleet, filter) = (self.get()?, filter(r#where)?);
        let moved = wait(py, async move {
            let is_known = fleet.collections().await?.iter().any(|c| c.name.eq_ignore_ascii_case(&name));
            if is_known {
                fleet.set_collection(&name, &filter).await
            } else {
                fleet.new_collection(&name, &filter).await
            }
        })?;
        list(py, &moved, membership)
    }

    /// Every collection: `name`, `filter`, `created_at`, `members`.
    fn collections<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let fleet = self.get()?;
        let collections = wait(py, async move { fleet.collections().await })?;
        list(
            py,
            &collections,
            |c| json!({ "name": c.name, "filter": c.filter, "created_at": json::time(c.created_at), "members": c.members }),
        )
    }

    /// The machines of a collection.
    fn members<'py>(&self, py: Python<'py>, name: String) -> PyResult<Bound<'py, PyAny>> {
        let fleet = self.get()?;
        let machines = wait(py, async move { fleet.members(&name).await })?;
        list(py, &machines, Machine::to_json)
    }

    /// Gives a collection up; its machines are not touched.
    fn remove_collection(&self, py: Python<'_>, name: String) -> PyResult<()> {
        let fleet = self.get()?;
        wait(py, async move { fleet.remove_collection(&name).await })
    }

    /// Closes the database after everything is written. Raises `ArgumentError` while a setup server or an attempt uses it.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let fleet = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            if Arc::strong_count(&self.servers) > 1 {
                return Err(wrong("a setup server or an attempt uses this database: stop it first"));
            }
            open.take()
        };
        let Some(fleet) = fleet else { return Ok(()) };
        wait(py, async move {
            fleet.close().await;
            Ok(())
        })
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, pyo3::types::PyTuple>) -> PyResult<()> {
        self.close(py)
    }

    fn __repr__(&self) -> String {
        format!("Fleet({:?})", self.path.display().to_string())
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        let open = self.open.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        // The connections of the pool are closed by tasks.
        if let (Some(open), Ok(runtime)) = (open, runtime()) {
            let _inside = runtime.enter();
            drop(open);
        }
    }
}

fn membership(m: &Membership) -> serde_json::Value {
    json!({ "uuid": m.id.to_string(), "collection": m.collection, "joined": m.joined })
}

fn filter(text: &str) -> PyResult<Filter> {
    Filter::parse(text).map_err(|error| raise(error.into()))
}

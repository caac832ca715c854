//! `SetupBin`: files on USB keys by which a BIOS hands passwords, pairs and root hashes to the firmware.

use crate::convert::wrong;
use crate::exception::raise;
use crate::preflight::Finding;
use amt_core::Secret;
use amt_core::hello::HashAlgorithm;
use amt_core::setupbin::{Draft, Entry, Kind, RawEntry, RootEntry, SetupBin as File, Value, Variable, Version};
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};
use std::hash::{DefaultHasher, Hash, Hasher};

/// A `setup.bin`: records of variables, each for one machine. Whoever holds the file owns the machines that it sets up: `repr` shows no variable.
///
/// >>> import amtpy
/// >>> pair = amtpy.PskPair("AMT1-SET7", "CAT0-AGDO-YBLF-6HCD-QR61-IQXQ-VORV-W8VD")
/// >>> file = amtpy.SetupBin.create(
/// ...     [{"current_password": "admin", "new_password": "P@ssw0rd!", "pid": pair.pid, "pps": pair.reveal()}]
/// ... )
/// >>> file, len(file.encode())
/// (SetupBin(version="2.1", records=<1>), 1024)
/// >>> file.records()[0]["variables"]
/// {'current_password': None, 'new_password': None, 'pid': 'AMT1SET7', 'pps': None}
#[pyclass(frozen, eq, module = "amtpy")]
#[derive(PartialEq, Eq)]
pub(crate) struct SetupBin(File);

#[pymethods]
impl SetupBin {
    /// Reads the content of a file as far as it can be read; `lint()` tells what is odd. With `strict`, what breaks a rule of structure is an
    /// error. Raises `AmtError` with the name `SETUP_BIN`, or `DecodeError` for what is too large.
    #[staticmethod]
    #[pyo3(signature = (data, /, *, strict=false))]
    fn parse(py: Python<'_>, data: PyBuffer<u8>, strict: bool) -> PyResult<Self> {
        let bytes = data.to_vec(py)?;
        let read = if strict { File::decode(&bytes) } else { File::read(&bytes) };
        read.map(Self).map_err(raise)
    }

    /// A new file with a record for each dict of variables: `{"current_password": "admin", "new_password": …, "pid": …, "pps": …}`. A value is a
    /// `str`, a number, or the name of a choice; `root_hash` is a dict of `algorithm`, `digest` (hex) and `name`, or a list of them. What the
    /// version cannot carry is refused; `scrambled` needs version 4.
    #[staticmethod]
    #[pyo3(signature = (records, *, version="2.1", reusable=false, scrambled=false))]
    fn create(records: Vec<Bound<'_, PyDict>>, version: &str, reusable: bool, scrambled: bool) -> PyResult<Self> {
        let version: Version = version.parse().map_err(raise)?;
        let mut draft = Draft::new(version, reusable).map_err(raise)?;
        for record in records {
            draft.push(entries(&record)?, scrambled).map_err(raise)?;
        }
        draft.finish().map(Self).map_err(raise)
    }

    /// The content of the file: of one that was read and not changed, the same bytes.
    fn encode<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.encode().expose())
    }

    /// Version of the format: `"1"`, `"2.0"`, `"2.1"`, `"3"` or `"4"`.
    #[getter]
    fn version(&self) -> String {
        self.0.version().to_string()
    }

    /// Its records as dicts of `number`, `usable`, `scrambled` and `variables`, used ones too. Secret variables are `None` without `reveal`.
    #[pyo3(signature = (*, reveal=false))]
    fn records<'py>(&self, py: Python<'py>, reveal: bool) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let records = self.0.records().iter().map(|record| {
            let dict = PyDict::new(py);
            dict.set_item("number", record.number)?;
            dict.set_item("usable", record.is_usable())?;
            dict.set_item("scrambled", record.is_scrambled())?;
            let variables = PyDict::new(py);
            for entry in record.entries() {
                add(&variables, &entry, reveal)?;
            }
            dict.set_item("variables", variables)?;
            Ok(dict)
        });
        records.collect()
    }

    /// What a BIOS does with the file: the file with its next record marked as used, and the index of that record; `None` if none is left.
    fn consume(&self) -> (Self, Option<usize>) {
        let mut file = self.0.clone();
        let at = file.consume();
        (Self(file), at)
    }

    /// The file without the secrets of used records, or with `everything` of all, which are then used.
    #[pyo3(signature = (*, everything=false))]
    fn wipe(&self, everything: bool) -> Self {
        let mut file = self.0.clone();
        file.wipe(everything);
        Self(file)
    }

    /// Everything that is odd about the file; no finding holds a secret.
    fn lint(&self) -> Vec<Finding> {
        self.0.lint().into_iter().map(Finding::from).collect()
    }

    fn __len__(&self) -> usize {
        self.0.records().len()
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.encode().expose().hash(&mut hasher);
        hasher.finish()
    }

    fn __repr__(&self) -> String {
        format!("SetupBin(version=\"{}\", records=<{}>)", self.0.version(), self.0.records().len())
    }
}

/// Adds a variable by its name, or module and number; what may stand several times is a list.
fn add(variables: &Bound<'_, PyDict>, entry: &Entry<'_>, reveal: bool) -> PyResult<()> {
    let py = variables.py();
    let name = entry.variable().map_or_else(|| format!("{}/{}", entry.module, entry.id), |known| known.name.to_owned());
    let value = if entry.is_secret() && !reveal {
        py.None().into_bound(py)
    } else {
        match Value::read(entry) {
            Ok(value) => to_python(py, &value, entry.variable())?,
            // Damaged: `lint()` tells how.
            Err(_) => PyBytes::new(py, entry.value).into_any(),
        }
    };
    if !entry.variable().is_some_and(Variable::may_repeat) {
        return variables.set_item(name, value);
    }
    match variables.get_item(&name)? {
        Some(list) => list.cast::<PyList>()?.append(value),
        None => variables.set_item(name, PyList::new(py, [value])?),
    }
}

fn to_python<'py>(py: Python<'py>, value: &Value, variable: Option<&Variable>) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Text(text) => PyString::new(py, text.expose()).into_any(),
        Value::Number(number) => match variable.and_then(|variable| variable.choice(*number)) {
            Some(choice) => PyString::new(py, choice).into_any(),
            None => number.into_pyobject(py)?.into_any(),
        },
        Value::Identifier(bytes) => PyString::new(py, &hex::encode(bytes)).into_any(),
        Value::Address(address) => PyString::new(py, &address.to_string()).into_any(),
        Value::Root(root) => {
            let dict = PyDict::new(py);
            dict.set_item("algorithm", root.algorithm.to_string())?;
            dict.set_item("digest", hex::encode(&root.digest))?;
            dict.set_item("name", &root.name)?;
            dict.into_any()
        }
        Value::Opaque(bytes) => PyBytes::new(py, bytes.expose()).into_any(),
        // A later version may know more kinds than this one knows how to show.
        _ => py.None().into_bound(py),
    })
}

fn entries(record: &Bound<'_, PyDict>) -> PyResult<Vec<RawEntry>> {
    let mut found = Vec::with_capacity(record.len());
    for (name, value) in record.iter() {
        let name: String = name.extract()?;
        let variable = Variable::named(&name).ok_or_else(|| wrong(format!("there is no variable {name:?}")))?;
        let many = variable.may_repeat() && (value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>());
        let values: Vec<Bound<'_, PyAny>> =
            if many { value.try_iter()?.collect::<PyResult<_>>()? } else { vec![value] };
        for value in values {
            let value = from_python(variable, &value)?;
            found.push(RawEntry::typed(variable, &value).map_err(raise)?);
        }
    }
    Ok(found)
}

fn from_python(variable: &Variable, given: &Bound<'_, PyAny>) -> PyResult<Value> {
    let bad = |what: &str| wrong(format!("{}: {what}", variable.name));
    let text = || given.extract::<String>().map_err(|_| bad("a text is needed"));
    Ok(match variable.kind {
        Kind::Text { .. } => {
            let text = text()?;
            // The halves of a pair stand in the file without the dashes that people write.
            Value::Text(if matches!(variable.name, "pid" | "pps") { text.replace('-', "") } else { text }.into())
        }
        Kind::Number { .. } => match given.extract::<u32>() {
            Ok(number) => Value::Number(number),
            Err(_) => {
                let name = given.extract::<String>().map_err(|_| bad("a number or the name of a choice is needed"))?;
                let choice = variable.choices.iter().find(|(_, choice)| *choice == name);
                let names: Vec<&str> = variable.choices.iter().map(|(_, name)| *name).collect();
                Value::Number(choice.ok_or_else(|| bad(&format!("{name:?} is none of {}", names.join(", "))))?.0)
            }
        },
        Kind::Identifier => {
            let digits = hex::decode(text()?).ok().and_then(|bytes| bytes.try_into().ok());
            Value::Identifier(digits.ok_or_else(|| bad("32 hexadecimal digits are needed"))?)
        }
        Kind::Address => Value::Address(text()?.parse().map_err(|_| bad("an IPv4 address is needed"))?),
        Kind::Root => root(given).map_err(|error| {
            if error.is_instance_of::<pyo3::exceptions::PyKeyError>(given.py()) {
                bad("a dict of algorithm, digest and name is needed")
            } else {
                error
            }
        })?,
        _ => Value::Opaque(Secret::new(given.extract::<Vec<u8>>().map_err(|_| bad("bytes are needed"))?)),
    })
}

fn root(given: &Bound<'_, PyAny>) -> PyResult<Value> {
    let field = |name: &str| given.get_item(name)?.extract::<String>();
    let algorithm = match field("algorithm")?.as_str() {
        "sha1" => HashAlgorithm::SHA1,
        "sha256" => HashAlgorithm::SHA256,
        "sha384" => HashAlgorithm::SHA384,
        other => return Err(wrong(format!("root_hash: {other:?} is none of sha1, sha256, sha384"))),
    };
    let digest =
        hex::decode(field("digest")?.replace(':', "")).map_err(|_| wrong("root_hash: the digest is no hex"))?;
    RootEntry::new(algorithm, digest, field("name")?).map(Value::Root).map_err(raise)
}

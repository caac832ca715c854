//! Between dictionaries of Python and instances of WS-Man classes.

use crate::convert::wrong;
use amt_wsman::instance::{Instance, Value};
use amt_wsman::soap::{MAX_REFERENCE_DEPTH, Reference, SelectorValue};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyInt, PyList, PyString, PyTuple};

/// Deepest nesting of what Python gives.
const MAX_DEPTH: usize = 16;

/// Properties as a dict in their order: text as `str`, what repeats as `list`, structures as `dict`; an endpoint reference as a dict of
/// `address`, `resource_uri`, `class` and `selectors`.
pub(crate) fn to_dict<'py>(py: Python<'py>, list: &[(String, Value)]) -> PyResult<Bound<'py, PyDict>> {
    grouped(py, list.iter().map(|(name, value)| (name.as_str(), value)), |value| to_value(py, value))
}

fn to_value<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Text(text) => PyString::new(py, text).into_any(),
        Value::Object(members) => to_dict(py, members)?.into_any(),
        Value::Reference(reference) => reference_to_dict(py, reference)?.into_any(),
    })
}

pub(crate) fn reference_to_dict<'py>(py: Python<'py>, reference: &Reference) -> PyResult<Bound<'py, PyDict>> {
    let selectors = reference.selectors.iter().map(|selector| (selector.name.as_str(), &selector.value));
    let selectors = grouped(py, selectors, |value| match value {
        SelectorValue::Text(text) => Ok(PyString::new(py, text).into_any()),
        SelectorValue::Reference(inner) => reference_to_dict(py, inner).map(Bound::into_any),
    })?;
    let dict = PyDict::new(py);
    dict.set_item("address", &reference.address)?;
    dict.set_item("resource_uri", &reference.resource_uri)?;
    dict.set_item("class", reference.class())?;
    dict.set_item("selectors", selectors)?;
    Ok(dict)
}

/// A dict in which members of the same name are gathered in a list, where the first of them stood.
fn grouped<'py, 'a, V: 'a>(
    py: Python<'py>,
    members: impl Iterator<Item = (&'a str, V)>,
    value: impl Fn(V) -> PyResult<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, member) in members {
        let member = value(member)?;
        match dict.get_item(name)? {
            None => dict.set_item(name, member)?,
            // Values are never lists themselves.
            Some(before) => match before.cast::<PyList>() {
                Ok(list) => list.append(member)?,
                Err(_) => dict.set_item(name, PyList::new(py, [before, member])?)?,
            },
        }
    }
    Ok(dict)
}

/// The instance of `class` that `given` describes, the other way round; numbers and truth values are taken too, and `None` is left out.
pub(crate) fn to_instance(class: &str, given: &Bound<'_, PyDict>) -> PyResult<Instance> {
    Ok(Instance { class: class.to_owned(), properties: members(given, 0)? })
}

/// The properties that `given` describes.
pub(crate) fn members(given: &Bound<'_, PyDict>, depth: usize) -> PyResult<Vec<(String, Value)>> {
    let mut found = Vec::with_capacity(given.len());
    for (name, value) in given.iter() {
        let name: String = name.extract().map_err(|_| wrong("the names of properties are texts"))?;
        if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
            for item in value.try_iter()? {
                found.push((name.clone(), from_value(&name, &item?, depth)?));
            }
        } else if !value.is_none() {
            let value = from_value(&name, &value, depth)?;
            found.push((name, value));
        }
    }
    Ok(found)
}

fn from_value(name: &str, value: &Bound<'_, PyAny>, depth: usize) -> PyResult<Value> {
    if depth >= MAX_DEPTH {
        return Err(wrong(format!("{name}: nested too deep")));
    }
    // A truth value is a number to Python, and not to firmware.
    if value.is_instance_of::<PyBool>() {
        return Ok(Value::from(value.extract::<bool>()?));
    }
    if value.is_instance_of::<PyString>() || value.is_instance_of::<PyInt>() {
        return Ok(Value::Text(value.str()?.to_str()?.to_owned()));
    }
    let Ok(dict) = value.cast::<PyDict>() else {
        let kind = value.get_type().name()?;
        return Err(wrong(format!("{name}: {kind} is none of str, int, bool, dict, list, None")));
    };
    match reference(dict, 0)? {
        Some(reference) => Ok(Value::Reference(reference)),
        None => members(dict, depth + 1).map(Value::Object),
    }
}

/// The reference that `dict` is, if it is one.
fn reference(dict: &Bound<'_, PyDict>, depth: usize) -> PyResult<Option<Reference>> {
    let (Some(uri), Some(selectors)) = (dict.get_item("resource_uri")?, dict.get_item("selectors")?) else {
        return Ok(None);
    };
    if depth >= MAX_REFERENCE_DEPTH {
        return Err(wrong("a reference is nested too deep"));
    }
    let address = dict.get_item("address")?.map(|address| address.extract()).transpose()?.unwrap_or_default();
    let mut reference = Reference { address, resource_uri: uri.extract()?, selectors: Vec::new() };
    for (name, value) in selectors_at(&selectors, depth)? {
        reference = reference.with(&name, value);
    }
    Ok(Some(reference))
}

/// Key properties and their values.
pub(crate) fn selectors(given: &Bound<'_, PyAny>) -> PyResult<Vec<(String, SelectorValue)>> {
    selectors_at(given, 0)
}

fn selectors_at(given: &Bound<'_, PyAny>, depth: usize) -> PyResult<Vec<(String, SelectorValue)>> {
    let dict = given.cast::<PyDict>().map_err(|_| wrong("selectors are a dict"))?;
    let mut found = Vec::with_capacity(dict.len());
    for (name, value) in dict.iter() {
        let name: String = name.extract()?;
        let value = match value.cast::<PyDict>() {
            Ok(inner) => match reference(inner, depth + 1)? {
                Some(reference) => SelectorValue::from(reference),
                None => return Err(wrong(format!("{name}: a selector is text or a reference"))),
            },
            Err(_) => SelectorValue::from(value.str()?.to_str()?),
        };
        found.push((name, value));
    }
    Ok(found)
}

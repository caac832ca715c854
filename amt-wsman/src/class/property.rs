//! How values of properties become Rust values.

use crate::instance::{Value, parse_bool};
use crate::soap::Reference;
use std::borrow::Cow;

/// One value of a property, as it comes out of a reply.
#[derive(Clone, Debug)]
pub enum Piece<'a> {
    /// Text, trimmed; empty for null.
    Text(Cow<'a, str>),
    /// A reference or an object.
    Value(Value),
}

/// Type of a property.
pub trait Property: Default {
    /// The class must have it.
    const REQUIRED: bool = false;

    /// Takes one value; `first` is false for the further ones of an array. The error says what is wrong.
    fn absorb(&mut self, value: Piece<'_>, first: bool) -> Result<(), &'static str>;
}

/// A value that stands alone and is read out of text.
trait Scalar: Sized {
    fn parse(text: Cow<'_, str>) -> Result<Self, &'static str>;
}

impl Scalar for String {
    fn parse(text: Cow<'_, str>) -> Result<Self, &'static str> {
        Ok(text.into_owned())
    }
}

impl Scalar for bool {
    fn parse(text: Cow<'_, str>) -> Result<Self, &'static str> {
        parse_bool(&text).ok_or("no truth value")
    }
}

impl Scalar for u32 {
    fn parse(text: Cow<'_, str>) -> Result<Self, &'static str> {
        text.parse().map_err(|_| "no number")
    }
}

impl Scalar for u64 {
    fn parse(text: Cow<'_, str>) -> Result<Self, &'static str> {
        text.parse().map_err(|_| "no number")
    }
}

fn text(value: Piece<'_>) -> Result<Cow<'_, str>, &'static str> {
    match value {
        Piece::Text(text) => Ok(text),
        Piece::Value(_) => Err("no text"),
    }
}

fn alone(first: bool) -> Result<(), &'static str> {
    if first { Ok(()) } else { Err("more than one value") }
}

macro_rules! required {
    ($($scalar:ty)*) => {$(
        impl Property for $scalar {
            const REQUIRED: bool = true;

            fn absorb(&mut self, value: Piece<'_>, first: bool) -> Result<(), &'static str> {
                alone(first)?;
                *self = Scalar::parse(text(value)?)?;
                Ok(())
            }
        }

        impl Property for Option<$scalar> {
            fn absorb(&mut self, value: Piece<'_>, first: bool) -> Result<(), &'static str> {
                alone(first)?;
                let text = text(value)?;
                // Null is written as an empty element.
                *self = if text.is_empty() { None } else { Some(Scalar::parse(text)?) };
                Ok(())
            }
        }

        impl Property for Vec<$scalar> {
            fn absorb(&mut self, value: Piece<'_>, _first: bool) -> Result<(), &'static str> {
                let text = text(value)?;
                if !text.is_empty() {
                    self.push(Scalar::parse(text)?);
                }
                Ok(())
            }
        }
    )*};
}

required!(String bool u32 u64);

impl Property for Reference {
    const REQUIRED: bool = true;

    fn absorb(&mut self, value: Piece<'_>, first: bool) -> Result<(), &'static str> {
        alone(first)?;
        match value {
            Piece::Value(Value::Reference(reference)) => *self = reference,
            _ => return Err("no endpoint reference"),
        }
        Ok(())
    }
}

impl Property for Option<Value> {
    fn absorb(&mut self, value: Piece<'_>, first: bool) -> Result<(), &'static str> {
        alone(first)?;
        *self = Some(match value {
            Piece::Text(text) => Value::Text(text.into_owned()),
            Piece::Value(value) => value,
        });
        Ok(())
    }
}

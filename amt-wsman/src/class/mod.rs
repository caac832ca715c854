//! The class catalogue: typed readings of what AMT has, and its methods as requests.
//!
//! A class is one small file: a `class!` declaration of the properties that somebody reads, and functions that make
//! requests of its methods. To add one, write such a file beside the others of its schema and name it in that folder's
//! `mod.rs`. Everything else of a class, and every class that is not here, is within reach through
//! [`Instance`].
//!
//! A typed value is read-only. To change an instance, read it as `Instance`, set properties, and put it back: firmware
//! wants instances back whole, with what we do not know about them (`spec/wsman.md` §2.3).

pub mod amt;
pub mod cim;
pub mod ips;

mod decode;
mod property;
#[cfg(test)]
pub(crate) mod written;

pub use decode::{decode, decode_all};
pub use property::{Piece, Property};

use crate::Error;
use crate::instance::{Instance, Value};
use crate::op::Reply;
use std::borrow::Cow;

/// A class with typed properties, declared with `class!`.
pub trait Class: Default {
    /// Name of the class.
    const NAME: &'static str;

    /// Takes one value of the property `name`, if the class declares it. `seen` has a bit for each property.
    fn absorb(&mut self, name: &str, value: Piece<'_>, seen: &mut u64) -> Result<(), Error>;

    /// Fails if a required property was not seen.
    fn check(&self, seen: u64) -> Result<(), Error>;

    /// Reads an instance. Properties that the class does not declare are skipped.
    fn from_instance(instance: &Instance) -> Result<Self, Error> {
        let mut class = Self::default();
        let mut seen = 0;
        for (name, value) in &instance.properties {
            let piece = match value {
                Value::Text(text) => Piece::Text(Cow::Borrowed(text)),
                other => Piece::Value(other.clone()),
            };
            class.absorb(name, piece, &mut seen)?;
        }
        class.check(seen)?;
        Ok(class)
    }

    /// Request for the only instance.
    fn get() -> crate::op::Request {
        crate::op::Request::get(Self::NAME)
    }

    /// Request for all instances.
    fn enumerate() -> crate::op::Request {
        crate::op::Request::enumerate(Self::NAME)
    }
}

impl Reply {
    /// The instance, typed.
    pub fn typed<T: Class>(&self) -> Result<T, Error> {
        T::from_instance(self.instance()?)
    }

    /// All instances of the class, typed; instances of other classes are skipped.
    pub fn typed_all<T: Class>(&self) -> Result<Vec<T>, Error> {
        self.instances().iter().filter(|instance| instance.class == T::NAME).map(T::from_instance).collect()
    }
}

/// Declares a class: the Rust name, the class name, and for each property field, type and name on the wire.
///
/// The type says what is accepted ([`Property`]): `String`, `bool`, `u32` are required, `Option` of them is not,
/// `Vec` is an array, [`Reference`](crate::soap::Reference) an endpoint reference, [`Value`] anything. At most 64 properties.
macro_rules! class {
    (
        $(#[$doc:meta])*
        $class:ident = $name:literal {
            $($(#[$field_doc:meta])* $field:ident: $type:ty = $wire:literal,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $class {
            $($(#[$field_doc])* #[doc = concat!("(`", $wire, "`)")] pub $field: $type,)*
        }

        const _: () = {
            use $crate::class::{Class, Piece, Property};

            #[allow(non_camel_case_types)]
            enum Index { $($field,)* }

            impl Class for $class {
                const NAME: &'static str = $name;

                #[allow(clippy::as_conversions, reason = "the number of a variant is its position")]
                fn absorb(&mut self, name: &str, value: Piece<'_>, seen: &mut u64) -> Result<(), $crate::Error> {
                    match name {
                        $($wire => {
                            let bit = 1u64 << Index::$field as u32;
                            let first = *seen & bit == 0;
                            *seen |= bit;
                            self.$field.absorb(value, first).map_err(|what| $crate::class::bad($name, $wire, what))
                        })*
                        _ => Ok(()),
                    }
                }

                #[allow(clippy::as_conversions, reason = "the number of a variant is its position")]
                fn check(&self, seen: u64) -> Result<(), $crate::Error> {
                    $(if <$type as Property>::REQUIRED && seen & 1u64 << Index::$field as u32 == 0 {
                        return Err($crate::class::bad($name, $wire, "missing"));
                    })*
                    Ok(())
                }
            }
        };
    };
}
pub(crate) use class;

/// The error of a property.
fn bad(class: &str, property: &str, what: &'static str) -> Error {
    Error::Property { class: class.to_owned(), property: property.to_owned(), what }
}

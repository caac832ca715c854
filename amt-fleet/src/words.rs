//! Closed sets of words: stable in the database and in JSON, an enum in between.

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The value that somebody names.
            ///
            /// # Errors
            /// `PARSE_TEXT` with every name that there is.
            pub fn named(text: &str) -> Result<Self, amt_core::Failure> {
                Self::ALL.iter().copied().find(|value| value.name() == text).ok_or_else(|| {
                    let all: Vec<&str> = Self::ALL.iter().map(|value| value.name()).collect();
                    let text = format!("{text:?} is none of {}", all.join(", "));
                    amt_core::Failure::new(amt_core::ErrorCode::PARSE_TEXT, "call", text)
                })
            }

            /// The stable word, as in the database and in JSON.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl std::str::FromStr for $name {
            type Err = amt_core::Failure;

            fn from_str(text: &str) -> Result<Self, amt_core::Failure> {
                Self::ALL.iter().copied().find(|value| value.name() == text).ok_or_else(|| {
                    amt_core::Failure::new(amt_core::ErrorCode::STORE, "store", format!("{text:?} is not a value this version knows"))
                })
            }
        }
    };
}
pub(crate) use words;

//! The hello message.

/// A hello. (Being written on another branch; this stands in for its type.)
#[derive(Clone, Debug)]
pub struct Hello;

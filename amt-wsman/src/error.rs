//! What can go wrong between a request and its reply.

use crate::xml::XmlError;

/// Why there is no (good) reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The reply's XML.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// XML that is no envelope, or an envelope that does not answer the request.
    #[error("envelope: {what}")]
    Envelope {
        /// What is wrong.
        what: &'static str,
    },
}

//! A key pair for a machine that makes none itself: firmware before AMT 6.

use amt_core::{ErrorCode, Failure};
use amt_provision::{KeyAnswer, KeyRequest};

const STAGE: &str = "generate-key";

/// Makes the pair and the request, which takes a good part of a second, beside what else is being done.
#[cfg(feature = "legacy-tls")]
pub(crate) async fn make(request: KeyRequest) -> Result<KeyAnswer, Failure> {
    let failed = |why: String| Failure::new(ErrorCode::IO, STAGE, format!("no key pair could be made: {why}"));
    let made = tokio::task::spawn_blocking(move || openssl_key(&request)).await;
    made.map_err(|e| failed(e.to_string()))?.map_err(|e| failed(e.to_string()))
}

/// Such machines are reached by the legacy engine only.
#[cfg(not(feature = "legacy-tls"))]
pub(crate) async fn make(_: KeyRequest) -> Result<KeyAnswer, Failure> {
    let text = "the machine makes no key pairs itself, and this build has no engine that makes RSA keys";
    Err(Failure::new(ErrorCode::TLS_LEGACY_MISSING, STAGE, text))
}

#[cfg(feature = "legacy-tls")]
fn openssl_key(request: &KeyRequest) -> Result<KeyAnswer, openssl::error::ErrorStack> {
    use amt_core::Secret;
    use amt_provision::Purpose;
    use openssl::hash::MessageDigest;
    use openssl::pkey::PKey;
    use openssl::rsa::Rsa;
    use openssl::stack::Stack;
    use openssl::x509::extension::{ExtendedKeyUsage, SubjectAlternativeName};
    use openssl::x509::{X509NameBuilder, X509ReqBuilder};

    crate::tls::prepare();
    let rsa = Rsa::generate(request.bits)?;
    let (private_key, public_key) = (Secret::new(rsa.private_key_to_der()?), rsa.public_key_to_der_pkcs1()?);
    let key = PKey::from_rsa(rsa)?;
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_text("CN", &request.common_name)?;
    let mut builder = X509ReqBuilder::new()?;
    builder.set_subject_name(&name.build())?;
    builder.set_pubkey(&key)?;
    let mut extensions = Stack::new()?;
    if !request.dns_names.is_empty() {
        let mut names = SubjectAlternativeName::new();
        for dns in &request.dns_names {
            names.dns(dns);
        }
        extensions.push(names.build(&builder.x509v3_context(None))?)?;
    }
    if request.purpose == Purpose::Client {
        extensions.push(ExtendedKeyUsage::new().client_auth().build()?)?;
    }
    if !extensions.is_empty() {
        builder.add_extensions(&extensions)?;
    }
    builder.sign(&key, MessageDigest::sha256())?;
    Ok(KeyAnswer { private_key, public_key, csr: builder.build().to_der()? })
}

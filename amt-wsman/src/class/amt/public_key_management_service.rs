//! `AMT_PublicKeyManagementService` (`spec/wsman.md` §3.8).

use super::super::Class;
use crate::Error;
use crate::class::class;
use crate::op::{Reply, Request};
use crate::soap::Reference;
use amt_core::Secret;
use base64::prelude::{BASE64_STANDARD, Engine};

class! {
    /// Keys and certificates of the device. One instance.
    PublicKeyManagementService = "AMT_PublicKeyManagementService" {
        /// Name.
        name: Option<String> = "Name",
        /// 5 when not applicable.
        enabled_state: Option<u32> = "EnabledState",
    }
}

impl PublicKeyManagementService {
    /// `SigningAlgorithm` of [`generate_pkcs10_request`](Self::generate_pkcs10_request): RSA with SHA-1.
    pub const SHA1_RSA: u32 = 0;
    /// `SigningAlgorithm`: RSA with SHA-256.
    pub const SHA256_RSA: u32 = 1;
    /// `SigningAlgorithm`: RSA with SHA-384.
    pub const SHA384_RSA: u32 = 2;

    /// Makes an RSA key pair. It may not be ready for that (2061, 47, 48): ask again after some seconds. Not to be
    /// repeated otherwise: each call takes a key slot.
    pub fn generate_key_pair(bits: u32) -> Request {
        invoke("GenerateKeyPair").arg("KeyAlgorithm", 0).arg("KeyLength", bits)
    }

    /// The pair that [`generate_key_pair`](Self::generate_key_pair) made.
    pub fn key_pair(reply: &Reply) -> Result<Reference, Error> {
        reply.output()?.required_reference("KeyPair").cloned()
    }

    /// Has a certification request signed by the key pair. `unsigned` is a DER request with the pair's public key and any
    /// signature, which the device replaces.
    pub fn generate_pkcs10_request(key_pair: &Reference, algorithm: u32, unsigned: &[u8]) -> Request {
        invoke("GeneratePKCS10RequestEx")
            .arg("KeyPair", key_pair)
            .arg("SigningAlgorithm", algorithm)
            .arg("NullSignedCertificateRequest", BASE64_STANDARD.encode(unsigned))
    }

    /// The signed request, DER, that [`generate_pkcs10_request`](Self::generate_pkcs10_request) gave.
    pub fn signed_request(reply: &Reply) -> Result<Vec<u8>, Error> {
        reply.output()?.required_bytes("SignedCertificateRequest")
    }

    /// Adds an RSA key pair, PKCS#1 DER, to firmware that makes none itself.
    pub fn add_key(private: &Secret<Vec<u8>>) -> Request {
        let blob = Secret::new(BASE64_STANDARD.encode(private.expose()));
        invoke("AddKey").secret_arg("KeyBlob", &blob)
    }

    /// The pair that [`add_key`](Self::add_key) made.
    pub fn created_key(reply: &Reply) -> Result<Reference, Error> {
        reply.output()?.required_reference("CreatedKey").cloned()
    }

    /// Adds a certificate, DER, for a key pair that the device holds. 2058: it is there already; 2064: the pair is not.
    pub fn add_certificate(der: &[u8]) -> Request {
        invoke("AddCertificate").arg("CertificateBlob", BASE64_STANDARD.encode(der))
    }

    /// Adds a trusted root certificate, DER. 2058: it is there already.
    pub fn add_trusted_root_certificate(der: &[u8]) -> Request {
        invoke("AddTrustedRootCertificate").arg("CertificateBlob", BASE64_STANDARD.encode(der))
    }

    /// The certificate that [`add_certificate`](Self::add_certificate) or
    /// [`add_trusted_root_certificate`](Self::add_trusted_root_certificate) made.
    pub fn created_certificate(reply: &Reply) -> Result<Reference, Error> {
        reply.output()?.required_reference("CreatedCertificate").cloned()
    }
}

fn invoke(method: &str) -> Request {
    Request::invoke(PublicKeyManagementService::NAME, method)
}

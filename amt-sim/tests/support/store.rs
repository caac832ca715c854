//! Certificates in a machine's store, as its classes take them by reference.

use super::{Client, Line, chains, reference};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const KEYS: &str = "AMT_PublicKeyManagementService";

fn blob(der: &[u8]) -> String {
    format!("<h:CertificateBlob>{}</h:CertificateBlob>", STANDARD.encode(der))
}

/// A key pair of the machine's with a certificate; the certificate's `InstanceID`. The persona must not be one whose keys
/// are not ready.
pub fn leaf<L: Line>(client: &mut Client<L>) -> String {
    let rsa = "<h:KeyAlgorithm>0</h:KeyAlgorithm><h:KeyLength>2048</h:KeyLength>";
    let key = client.invoke(KEYS, "GenerateKeyPair", rsa).text("Selector");
    let public = client.get_one("AMT_PublicPrivateKeyPair", ("InstanceID", &key)).text("DERKey");
    let public = STANDARD.decode(public).unwrap();
    let index = (0..16).find(|i| amt_sim::keys::key(*i).public_pkcs1() == public).unwrap();
    let params = rcgen::CertificateParams::new(vec!["pc1.example.com".to_owned()]).unwrap();
    let der = params.signed_by(&chains::pair(index), &chains::server_authority()).unwrap().der().to_vec();
    client.invoke(KEYS, "AddCertificate", &blob(&der)).text("Selector")
}

/// A trusted root; its `InstanceID`.
pub fn root<L: Line>(client: &mut Client<L>) -> String {
    client.invoke(KEYS, "AddTrustedRootCertificate", &blob(chains::good().root())).text("Selector")
}

/// The certificate, as an argument.
pub fn certificate(name: &str, id: &str) -> String {
    format!("<h:{name}>{}</h:{name}>", reference("AMT_PublicKeyCertificate", "InstanceID", id))
}

/// Tries to delete it: the fault, or nothing.
pub fn delete<L: Line>(client: &mut Client<L>, id: &str) -> Option<String> {
    let answer = client.delete("AMT_PublicKeyCertificate", Some(("InstanceID", id)));
    (answer.status != 200).then(|| answer.fault())
}

//! HTTP digest authentication (RFC 2617, RFC 7616; `spec/wsman.md` §1.4).
//!
//! Firmware speaks MD5 with `qop=auth`, since AMT 14 also `auth-int`. SHA-256 is understood when it is offered.

use amt_core::Secret;
use md5::Digest;
use std::fmt::Write;
use zeroize::Zeroizing;

/// A challenge out of a `WWW-Authenticate` header.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Challenge {
    /// Realm: part of every digest; names the machine.
    pub realm: String,
    /// Nonce.
    pub nonce: String,
    /// To be sent back unchanged.
    pub opaque: Option<String>,
    /// Hash; as the header named it.
    pub algorithm: Algorithm,
    /// Whether the header named an algorithm: only then is it sent back.
    named: bool,
    /// What the digest protects.
    pub protection: Protection,
    /// The nonce of the refused request was too old; its digest was right.
    pub stale: bool,
}

/// Hash of a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// MD5.
    Md5,
    /// MD5 with a session key.
    Md5Session,
    /// SHA-256.
    Sha256,
    /// SHA-256 with a session key.
    Sha256Session,
}

/// `qop`: what a digest protects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// No `qop` (RFC 2069).
    Legacy,
    /// Method and target.
    Auth,
    /// Method, target and body.
    AuthInt,
}

/// The request that is to be authorised.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Method, `POST`.
    pub method: &'a str,
    /// Request target, `/wsman`.
    pub uri: &'a str,
    /// Body.
    pub body: &'a [u8],
}

/// Why a `WWW-Authenticate` header cannot be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsupported {
    /// There is no digest challenge in it.
    Scheme,
    /// A digest challenge without realm or nonce.
    Incomplete,
    /// An unknown hash.
    Algorithm,
    /// An unknown `qop`.
    Protection,
}

impl Challenge {
    /// The first digest challenge of these header values that can be answered; else the reason against the last one.
    pub fn select<'a>(headers: impl IntoIterator<Item = &'a str>) -> Result<Self, Unsupported> {
        let mut reason = Unsupported::Scheme;
        for header in headers {
            for (scheme, parameters) in challenges(header) {
                if scheme.eq_ignore_ascii_case("Digest") {
                    match Self::from_parameters(&parameters) {
                        Ok(challenge) => return Ok(challenge),
                        Err(why) => reason = why,
                    }
                }
            }
        }
        Err(reason)
    }

    fn from_parameters(parameters: &[(String, String)]) -> Result<Self, Unsupported> {
        let value = |name: &str| {
            parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
        };
        let algorithm = value("algorithm").map(str::to_ascii_lowercase);
        Ok(Self {
            realm: value("realm").ok_or(Unsupported::Incomplete)?.to_owned(),
            nonce: value("nonce").ok_or(Unsupported::Incomplete)?.to_owned(),
            opaque: value("opaque").map(str::to_owned),
            algorithm: match algorithm.as_deref() {
                None | Some("md5") => Algorithm::Md5,
                Some("md5-sess") => Algorithm::Md5Session,
                Some("sha-256") => Algorithm::Sha256,
                Some("sha-256-sess") => Algorithm::Sha256Session,
                Some(_) => return Err(Unsupported::Algorithm),
            },
            named: algorithm.is_some(),
            protection: Protection::select(value("qop"))?,
            stale: value("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
        })
    }

    /// The `Authorization` header for a request: `count` is how often this nonce has been used, this time included.
    pub fn authorize(
        &self,
        user: &str,
        password: &Secret<String>,
        subject: Subject<'_>,
        count: u32,
        client_nonce: &str,
    ) -> String {
        let response = self.response(user, password.expose(), subject, count, client_nonce);
        let mut out = String::with_capacity(320);
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "Digest username=\"{}\",realm=\"{}\",nonce=\"{}\",uri=\"{}\",response=\"{response}\"",
            quote(user),
            quote(&self.realm),
            quote(&self.nonce),
            quote(subject.uri)
        );
        if self.named {
            let _ = write!(out, ",algorithm={}", self.algorithm.name());
        }
        if let Some(opaque) = &self.opaque {
            let _ = write!(out, ",opaque=\"{}\"", quote(opaque));
        }
        if let Some(qop) = self.protection.name() {
            let _ = write!(out, ",qop={qop},nc={count:08x},cnonce=\"{}\"", quote(client_nonce));
        }
        out
    }

    /// The digest itself: what a client sends and a server compares with.
    pub fn response(&self, user: &str, password: &str, subject: Subject<'_>, count: u32, client_nonce: &str) -> String {
        let hash = |parts: &[&[u8]]| self.algorithm.hex(parts);
        let (user, realm) = (user.as_bytes(), self.realm.as_bytes());
        let mut secret = Zeroizing::new(hash(&[user, b":", realm, b":", password.as_bytes()]));
        if matches!(self.algorithm, Algorithm::Md5Session | Algorithm::Sha256Session) {
            let session = hash(&[secret.as_bytes(), b":", self.nonce.as_bytes(), b":", client_nonce.as_bytes()]);
            secret = Zeroizing::new(session);
        }
        let (method, uri) = (subject.method.as_bytes(), subject.uri.as_bytes());
        let what = match self.protection {
            Protection::AuthInt => hash(&[method, b":", uri, b":", hash(&[subject.body]).as_bytes()]),
            Protection::Auth | Protection::Legacy => hash(&[method, b":", uri]),
        };
        match self.protection.name() {
            Some(qop) => hash(&[
                secret.as_bytes(),
                b":",
                self.nonce.as_bytes(),
                format!(":{count:08x}:").as_bytes(),
                client_nonce.as_bytes(),
                format!(":{qop}:").as_bytes(),
                what.as_bytes(),
            ]),
            None => hash(&[secret.as_bytes(), b":", self.nonce.as_bytes(), b":", what.as_bytes()]),
        }
    }
}

impl Algorithm {
    /// The name as it stands in headers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Md5Session => "MD5-sess",
            Self::Sha256 => "SHA-256",
            Self::Sha256Session => "SHA-256-sess",
        }
    }

    fn hex(self, parts: &[&[u8]]) -> String {
        match self {
            Self::Md5 | Self::Md5Session => hex(&hash::<md5::Md5>(parts)),
            Self::Sha256 | Self::Sha256Session => hex(&hash::<sha2::Sha256>(parts)),
        }
    }
}

impl Protection {
    /// The name as it stands in headers; none for the form without `qop`.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Legacy => None,
            Self::Auth => Some("auth"),
            Self::AuthInt => Some("auth-int"),
        }
    }

    /// `auth-int` when it is offered: it also protects the body.
    fn select(offered: Option<&str>) -> Result<Self, Unsupported> {
        let offered = offered.unwrap_or_default();
        let has = |name: &str| offered.split(',').any(|one| one.trim().eq_ignore_ascii_case(name));
        match () {
            () if offered.trim().is_empty() => Ok(Self::Legacy),
            () if has("auth-int") => Ok(Self::AuthInt),
            () if has("auth") => Ok(Self::Auth),
            () => Err(Unsupported::Protection),
        }
    }
}

impl Unsupported {
    /// The reason in words.
    pub fn what(self) -> &'static str {
        match self {
            Self::Scheme => "there is no digest challenge",
            Self::Incomplete => "the digest challenge lacks realm or nonce",
            Self::Algorithm => "the digest algorithm is unknown",
            Self::Protection => "the digest qop is unknown",
        }
    }
}

/// Raw MD5 of `user:realm:password`: what `SetAdminAclEntryEx` takes, in base64 (`spec/wsman.md` §3.2).
pub fn credential_md5(user: &str, realm: &str, password: &Secret<String>) -> Secret<Vec<u8>> {
    let parts: [&[u8]; 5] = [user.as_bytes(), b":", realm.as_bytes(), b":", password.expose().as_bytes()];
    Secret::new(hash::<md5::Md5>(&parts))
}

fn hash<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
    let mut hasher = D::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().to_vec()
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

fn quote(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace(['\r', '\n'], "")
}

/// Splits a header into its challenges: scheme and parameters. Tolerant of what stands between them.
fn challenges(header: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut found: Vec<(String, Vec<(String, String)>)> = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches(|c: char| !is_token(c));
        let end = rest.find(|c: char| !is_token(c)).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        if name.is_empty() {
            return found;
        }
        match after.trim_start().strip_prefix('=') {
            Some(value) => {
                let (value, after) = parameter_value(value.trim_start());
                if let Some((_, parameters)) = found.last_mut() {
                    parameters.push((name.to_owned(), value));
                }
                rest = after;
            }
            None => {
                found.push((name.to_owned(), Vec::new()));
                rest = after;
            }
        }
    }
}

/// A quoted string or a token, and what follows it.
fn parameter_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_at(text.find([',', ' ', '\t']).unwrap_or(text.len()));
        return (value.to_owned(), rest);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return (value, quoted.get(at + 1..).unwrap_or_default()),
            '\\' => value.extend(characters.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    (value, "")
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~/".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn select(header: &str) -> Challenge {
        Challenge::select([header]).unwrap()
    }

    const RFC: Subject<'static> = Subject { method: "GET", uri: "/dir/index.html", body: b"" };

    #[test]
    fn the_example_of_rfc_2617_comes_out() {
        let challenge = select(
            "Digest realm=\"testrealm@host.com\", qop=\"auth\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", \
             opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
        );
        assert_eq!(challenge.protection, Protection::Auth);
        let response = challenge.response("Mufasa", "Circle Of Life", RFC, 1, "0a4f113b");
        assert_eq!(response, "6629fae49393a05397450978507c4ef1");
        let header = challenge.authorize("Mufasa", &"Circle Of Life".into(), RFC, 1, "0a4f113b");
        assert_eq!(
            header,
            "Digest username=\"Mufasa\",realm=\"testrealm@host.com\",nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\",\
             uri=\"/dir/index.html\",response=\"6629fae49393a05397450978507c4ef1\",\
             opaque=\"5ccc069c403ebaf9f0171e9517f40e41\",qop=auth,nc=00000001,cnonce=\"0a4f113b\""
        );
    }

    #[test]
    fn the_example_of_rfc_7616_comes_out() {
        let challenge = select(
            "Digest realm=\"http-auth@example.org\", qop=auth, algorithm=SHA-256, \
             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"",
        );
        let nonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        let response = challenge.response("Mufasa", "Circle of Life", RFC, 1, nonce);
        assert_eq!(response, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1");
        assert!(challenge.authorize("M", &"p".into(), RFC, 1, nonce).contains(",algorithm=SHA-256,"));
    }

    #[test]
    fn the_challenge_of_firmware_is_read() {
        let challenge = select(
            "Digest realm=\"Digest:62FF0A8E1D9F1C2B3A4958676A7B8C9D\", nonce=\"Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4\",stale=\"false\",qop=\"auth\"",
        );
        assert_eq!(challenge.realm, "Digest:62FF0A8E1D9F1C2B3A4958676A7B8C9D");
        assert_eq!(challenge.nonce, "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4");
        assert!(!challenge.stale && challenge.algorithm == Algorithm::Md5 && challenge.opaque.is_none());
    }

    #[test]
    fn quoting_case_and_order_do_not_matter() {
        let a = select("Digest realm=\"r\",nonce=\"n\",stale=\"TRUE\",qop=\"auth,auth-int\",algorithm=\"md5\"");
        let b = select("digest Algorithm=MD5 , STALE=true, QOP=auth-int, nonce=n , realm=r");
        assert_eq!(a, b);
        assert!(a.stale && a.protection == Protection::AuthInt);
        assert_eq!(select("Digest realm=\"a \\\"b\\\" \\\\\",nonce=n").realm, "a \"b\" \\");
    }

    #[test]
    fn the_digest_challenge_is_found_among_others() {
        let challenge = Challenge::select([
            "Negotiate dGVzdA==, Basic realm=\"b\", Digest realm=\"r\", nonce=\"n\"",
            "Digest realm=\"second\", nonce=\"n\"",
        ]);
        assert_eq!(challenge.unwrap().realm, "r");
        let fallback = ["Digest realm=r,nonce=n,algorithm=SHA-512-256", "Digest realm=r,nonce=n"];
        assert_eq!(Challenge::select(fallback).unwrap().algorithm, Algorithm::Md5);
    }

    #[test]
    fn what_cannot_be_answered_is_said() {
        for (header, reason) in [
            ("Negotiate", Unsupported::Scheme),
            ("", Unsupported::Scheme),
            ("Basic realm=\"x\"", Unsupported::Scheme),
            ("Digest nonce=\"n\"", Unsupported::Incomplete),
            ("Digest realm=\"r\"", Unsupported::Incomplete),
            ("Digest realm=r,nonce=n,algorithm=X", Unsupported::Algorithm),
            ("Digest realm=r,nonce=n,qop=\"token\"", Unsupported::Protection),
        ] {
            assert_eq!(Challenge::select([header]), Err(reason), "{header}");
        }
    }

    #[test]
    fn auth_int_and_session_keys_enter_the_digest() {
        let of = |parameters: &str, body: &'static [u8]| {
            let challenge = select(&format!("Digest realm=r,nonce=n,{parameters}"));
            challenge.response("u", "p", Subject { method: "POST", uri: "/wsman", body }, 1, "c")
        };
        // md5 of "md5(u:r:p):n:00000001:c:auth-int:md5(POST:/wsman:md5(body))", computed elsewhere.
        assert_eq!(of("qop=auth-int", b"x"), "a3d79047cf1853e8a8b85082555c1e47");
        assert_ne!(of("qop=auth-int", b"x"), of("qop=auth-int", b"y"));
        assert_eq!(of("qop=auth", b"x"), of("qop=auth", b"y"));
        assert_ne!(of("qop=auth", b""), of("qop=auth,algorithm=MD5-sess", b""));
        assert_ne!(of("qop=auth", b""), of("opaque=x", b""), "the form without qop is another digest");
    }

    #[test]
    fn names_with_quotes_cannot_leave_their_field() {
        let header = select("Digest realm=r,nonce=n").authorize("a\"b\r\nX: y", &"p".into(), RFC, 1, "c");
        assert!(header.starts_with("Digest username=\"a\\\"bX: y\",realm"), "{header}");
    }

    proptest! {
        #[test]
        fn arbitrary_headers_never_panic(header in "\\PC{0,80}|Digest [a-z=,\" \\\\]{0,60}") {
            let _ = Challenge::select([header.as_str()]);
        }
    }
}

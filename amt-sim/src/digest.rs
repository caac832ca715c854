//! The firmware's side of HTTP digest authentication (RFC 2617, `spec/wsman.md` §1.4): challenge, check, lock-out.
//!
//! MD5 is the protocol's choice, not a protection.

use crate::persona::{Login, Qop};
use crate::seed::Seeded;
use amt_core::Tick;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use std::collections::VecDeque;
use std::time::Duration;

/// How many nonces are remembered; an older one is answered as stale.
pub const MAX_NONCES: usize = 32;

/// MD5(user:realm:password): what firmware keeps of a password.
pub fn ha1(user: &str, realm: &str, password: &str) -> [u8; 16] {
    Md5::digest(format!("{user}:{realm}:{password}").as_bytes()).into()
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Outcome of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The user may go on.
    Accepted(String),
    /// 401 with a fresh nonce.
    Challenge {
        /// The response was right but its nonce is no longer good.
        stale: bool,
        /// For the audit.
        reason: &'static str,
    },
}

/// User of an `Authorization` header, whether or not the login is right.
pub(crate) fn user(authorization: &str) -> Option<String> {
    let fields = authorization.strip_prefix("Digest ").and_then(parse)?;
    fields.iter().find(|(name, _)| name.eq_ignore_ascii_case("username")).map(|(_, user)| user.to_string())
}

const fn challenge(stale: bool, reason: &'static str) -> Verdict {
    Verdict::Challenge { stale, reason }
}

#[derive(Debug)]
struct Nonce {
    text: String,
    uses: u32,
    last_count: u64,
    retired: bool,
}

/// One machine's authentication state: nonces and lock-out. Outlives connections.
#[derive(Debug)]
pub struct Gate {
    nonces: VecDeque<Nonce>,
    choices: Seeded,
    failures: u32,
    last_failure: Tick,
    locked_until: Option<Tick>,
}

impl Gate {
    /// No nonce yet, nothing locked.
    pub fn new(seed: u64) -> Self {
        let choices = Seeded::new(seed, "nonce");
        Self { nonces: VecDeque::new(), choices, failures: 0, last_failure: Tick(0), locked_until: None }
    }

    /// Makes every nonce stale: after an ACL change, and whenever the firmware feels like it.
    pub fn retire_nonces(&mut self) {
        for nonce in &mut self.nonces {
            nonce.retired = true;
        }
    }

    /// Whether logins are refused whatever the password.
    pub fn is_locked(&self, now: Tick) -> bool {
        self.locked_until.is_some_and(|until| now < until)
    }

    /// Value of `WWW-Authenticate` with a nonce of its own.
    pub fn challenge(&mut self, login: &Login, realm: &str, stale: bool) -> String {
        let text = self.nonce();
        let qop = match login.qop {
            Qop::Auth => "auth",
            Qop::AuthInt => "auth,auth-int",
        };
        format!("Digest realm=\"{realm}\", nonce=\"{text}\",stale=\"{stale}\",qop=\"{qop}\"")
    }

    /// A fresh nonce.
    pub(crate) fn nonce(&mut self) -> String {
        let text = STANDARD.encode(self.choices.bytes::<24>());
        if self.nonces.len() == MAX_NONCES {
            self.nonces.pop_front();
        }
        self.nonces.push_back(Nonce { text: text.clone(), uses: 0, last_count: 0, retired: false });
        text
    }

    /// Checks an `Authorization` value. `secret` gives the HA1 of a user.
    #[allow(clippy::too_many_arguments, reason = "each is one input of RFC 2617")]
    pub fn check(
        &mut self,
        now: Tick,
        login: &Login,
        realm: &str,
        authorization: &str,
        method: &str,
        target: &str,
        body: &[u8],
        secret: impl Fn(&str) -> Option<[u8; 16]>,
    ) -> Verdict {
        let Some(fields) = authorization.strip_prefix("Digest ").and_then(parse) else {
            return challenge(false, "not a digest");
        };
        let field = |name: &str| fields.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str());
        let (Some(user), Some(nonce), Some(uri), Some(response), Some(qop), Some(nc), Some(cnonce)) = (
            field("username"),
            field("nonce"),
            field("uri"),
            field("response"),
            field("qop"),
            field("nc"),
            field("cnonce"),
        ) else {
            return challenge(false, "digest field missing");
        };
        if field("algorithm").is_some_and(|a| !a.eq_ignore_ascii_case("MD5")) {
            return challenge(false, "algorithm");
        }
        if field("realm") != Some(realm) {
            return challenge(false, "realm");
        }
        if uri != target {
            return challenge(false, "uri");
        }
        let offered = match qop {
            "auth" => true,
            "auth-int" => login.qop == Qop::AuthInt,
            _ => false,
        };
        if !offered {
            return challenge(false, "qop");
        }
        let count = u64::from_str_radix(nc, 16).ok().filter(|_| nc.len() == 8 && nc.to_ascii_lowercase() == *nc);
        let Some(count) = count else { return challenge(false, "nc") };

        if self.is_locked(now) {
            return challenge(false, "locked");
        }
        let ha2 = if qop == "auth-int" {
            hex(&Md5::digest(format!("{method}:{uri}:{}", hex(&Md5::digest(body))).as_bytes()))
        } else {
            hex(&Md5::digest(format!("{method}:{uri}").as_bytes()))
        };
        let right = secret(user).is_some_and(|ha1| {
            let expected = format!("{}:{nonce}:{nc}:{cnonce}:{qop}:{ha2}", hex(&ha1));
            response.eq_ignore_ascii_case(&hex(&Md5::digest(expected.as_bytes())))
        });
        // A nonce that is not good (any more) proves nothing about the password: neither a success nor a failure.
        let known = self.nonces.iter_mut().find(|n| n.text == nonce);
        let Some(known) = known.filter(|n| !n.retired && n.uses < login.nonce_requests) else {
            return challenge(right, "stale nonce");
        };
        if !right {
            self.count_failure(now, login);
            return challenge(false, "wrong password");
        }
        if count <= known.last_count {
            return challenge(true, "nonce count replayed");
        }
        known.last_count = count;
        known.uses += 1;
        self.failures = 0;
        Verdict::Accepted(user.to_owned())
    }

    fn count_failure(&mut self, now: Tick, login: &Login) {
        // An old failure is forgiven after the lock's own time, so patient guessing (20 s and more) never locks.
        if now.since(self.last_failure) >= Duration::from_secs(login.lock_seconds.min(20)) {
            self.failures = 0;
        }
        self.failures += 1;
        self.last_failure = now;
        if self.failures >= login.failures_before_lock {
            self.failures = 0;
            self.locked_until = Some(now.after(Duration::from_secs(login.lock_seconds)));
        }
    }
}

/// Splits `a="b", c=d` into pairs; quotes may hold commas and backslash escapes.
fn parse(text: &str) -> Option<Vec<(String, String)>> {
    let mut fields = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (value, after) = if let Some(quoted) = after.strip_prefix('"') {
            let mut value = String::new();
            let mut chars = quoted.char_indices();
            let end = loop {
                match chars.next()? {
                    (at, '"') => break at,
                    (_, '\\') => value.push(chars.next()?.1),
                    (_, c) => value.push(c),
                }
            };
            (value, &quoted[end + 1..])
        } else {
            let end = after.find(',').unwrap_or(after.len());
            (after[..end].trim().to_owned(), &after[end..])
        };
        fields.push((name.trim().to_owned(), value));
        rest = after.trim_start();
        rest = match rest.strip_prefix(',') {
            Some(rest) => rest.trim_start(),
            None if rest.is_empty() => rest,
            None => return None,
        };
    }
    Some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persona::Persona;

    const REALM: &str = "Digest:0123456789ABCDEF0123456789ABCDEF";

    struct Client {
        gate: Gate,
        login: Login,
        nonce: String,
    }

    impl Client {
        fn new() -> Self {
            let mut client = Self { gate: Gate::new(1), login: Persona::default().login, nonce: String::new() };
            client.fresh(false);
            client
        }

        fn fresh(&mut self, stale: bool) {
            let text = self.gate.challenge(&self.login, REALM, stale);
            self.nonce = text.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        }

        fn header(&self, password: &str, nc: &str, qop: &str) -> String {
            let ha2 = hex(&Md5::digest(if qop == "auth-int" {
                format!("POST:/wsman:{}", hex(&Md5::digest(b"body")))
            } else {
                "POST:/wsman".to_owned()
            }));
            let ha1 = hex(&ha1("admin", REALM, password));
            let response = hex(&Md5::digest(format!("{ha1}:{}:{nc}:c:{qop}:{ha2}", self.nonce)));
            format!(
                "Digest username=\"admin\",realm=\"{REALM}\",nonce=\"{}\",uri=\"/wsman\",qop={qop},nc={nc},\
                 cnonce=\"c\",response=\"{response}\"",
                self.nonce
            )
        }

        fn send(&mut self, now: u64, header: &str) -> Verdict {
            self.gate.check(Tick(now), &self.login, REALM, header, "POST", "/wsman", b"body", |user| {
                (user == "admin").then(|| ha1("admin", REALM, "P@ss"))
            })
        }

        fn login(&mut self, now: u64, password: &str, nc: &str) -> Verdict {
            let header = self.header(password, nc, "auth");
            self.send(now, &header)
        }
    }

    fn reason(verdict: Verdict) -> &'static str {
        match verdict {
            Verdict::Accepted(_) => "accepted",
            Verdict::Challenge { reason, .. } => reason,
        }
    }

    #[test]
    fn the_example_of_rfc_2617_is_accepted() {
        let user = "Mufasa";
        let realm = "testrealm@host.com";
        let secret = ha1(user, realm, "Circle Of Life");
        assert_eq!(hex(&secret), "939e7578ed9e3c518a452acee763bce9");
    }

    #[test]
    fn challenges_look_like_the_firmwares() {
        let mut client = Client::new();
        let text = client.gate.challenge(&client.login, REALM, false);
        assert!(text.starts_with("Digest realm=\"Digest:0123456789ABCDEF0123456789ABCDEF\", nonce=\""), "{text}");
        assert!(text.ends_with(",stale=\"false\",qop=\"auth\""), "{text}");
        assert_eq!(client.nonce.len(), 32);
    }

    #[test]
    fn the_right_password_opens_and_a_replay_does_not() {
        let mut client = Client::new();
        assert_eq!(client.login(0, "P@ss", "00000001"), Verdict::Accepted("admin".into()));
        assert_eq!(client.login(0, "P@ss", "00000002"), Verdict::Accepted("admin".into()));
        assert_eq!(client.login(0, "P@ss", "00000002"), challenge(true, "nonce count replayed"));
    }

    #[test]
    fn a_nonce_ends_after_its_requests_and_at_any_reset() {
        let mut client = Client::new();
        client.login.nonce_requests = 1;
        assert_eq!(reason(client.login(0, "P@ss", "00000001")), "accepted");
        assert_eq!(client.login(0, "P@ss", "00000002"), challenge(true, "stale nonce"));
        client.fresh(true);
        client.gate.retire_nonces();
        assert_eq!(client.login(0, "P@ss", "00000001"), challenge(true, "stale nonce"));
        assert_eq!(client.login(0, "wrong", "00000001"), challenge(false, "stale nonce"));
    }

    #[test]
    fn repeated_failures_lock_the_account_for_a_while() {
        let mut client = Client::new();
        for n in 1..=client.login.failures_before_lock {
            assert_eq!(reason(client.login(100, "wrong", &format!("{n:08x}"))), "wrong password");
        }
        assert_eq!(reason(client.login(200, "P@ss", "000000a0")), "locked");
        let after = 100 + client.login.lock_seconds * 1000;
        assert_eq!(reason(client.login(after, "P@ss", "000000a1")), "accepted");
    }

    #[test]
    fn guesses_twenty_seconds_apart_never_lock() {
        let mut client = Client::new();
        for n in 1..20_u64 {
            assert_eq!(reason(client.login(n * 20_000, "wrong", &format!("{n:08x}"))), "wrong password");
        }
    }

    #[test]
    fn every_field_counts() {
        let mut client = Client::new();
        let good = client.header("P@ss", "00000001", "auth");
        for (from, to, want) in [
            ("Digest ", "Basic ", "not a digest"),
            ("uri=\"/wsman\"", "uri=\"/\"", "uri"),
            (REALM, "Digest:FFFF", "realm"),
            ("qop=auth", "qop=none", "qop"),
            ("nc=00000001", "nc=1", "nc"),
            ("cnonce=\"c\",", "", "digest field missing"),
            ("cnonce=\"c\",", "cnonce=\"c\",algorithm=SHA-256,", "algorithm"),
        ] {
            let broken = good.replace(from, to);
            assert_eq!(reason(client.send(0, &broken)), want);
        }
        assert_eq!(reason(client.send(0, &good)), "accepted");
    }

    #[test]
    fn auth_int_covers_the_body_where_it_is_offered() {
        let mut client = Client::new();
        let header = client.header("P@ss", "00000001", "auth-int");
        assert_eq!(reason(client.send(0, &header)), "qop");
        client.login.qop = Qop::AuthInt;
        assert_eq!(reason(client.send(0, &header)), "accepted");
    }
}

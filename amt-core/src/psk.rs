//! PID and PPS: the pair that names and keys a TLS-PSK session with firmware of AMT 2 to 10 (`spec/setupbin.md` §3,
//! `spec/hello-tls.md` §2.2).
//!
//! Both are written with the letters `A`–`Z` and digits `0`–`9`. The last character of the PID and of each group of four of the PPS
//! is a check character. What a person typed is normalised ([`Form::Typed`]); what a file holds is not ([`Form::Strict`]).

pub mod list;

use crate::{ErrorCode, Failure, Secret};
use std::fmt;
use zeroize::Zeroizing;

/// Characters of a PID.
pub const PID_LEN: usize = 8;
/// Characters of a PPS.
pub const PPS_LEN: usize = 32;
/// Characters of a group: three free, one check character.
pub const GROUP: usize = 4;
/// The alphabet of both.
pub const ALPHABET: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

const STAGE: &str = "psk";

/// How a pair was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// By a person: dashes and spaces are dropped, small letters become capitals.
    Typed,
    /// By a program: 8 or 32 characters of the alphabet, nothing else.
    Strict,
}

/// The eight characters that name a pre-shared key. A hello's is kept as sent: neither alphabet nor check character are sure until
/// [`check`](Self::check) said so.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pid(pub [u8; PID_LEN]);

/// The secret half of a pair: 32 characters, of which 24 are free. Always valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pps(Secret<[u8; PPS_LEN]>);

/// A PID and its PPS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PskPair {
    /// Sent in clear in the hello; the identity of the TLS-PSK session.
    pub pid: Pid,
    /// Its key.
    pub pps: Pps,
}

/// The check character of `run`: the sum of its codes modulo 36.
pub fn check_character(run: &[u8]) -> u8 {
    let sum: usize = run.iter().map(|b| usize::from(*b)).sum();
    ALPHABET.get(sum % ALPHABET.len()).copied().unwrap_or_default()
}

impl Pid {
    /// Reads a PID.
    ///
    /// # Errors
    /// `PSK_INVALID` names the length, the character or the check character that is wrong.
    pub fn parse(text: &str, form: Form) -> Result<Self, Failure> {
        let pid = Self(*characters::<PID_LEN>("PID", text, form)?);
        pid.check().map(|()| pid)
    }

    /// Whether the eight characters are of the alphabet and the last one fits the seven before.
    ///
    /// # Errors
    /// `PSK_INVALID` names what is wrong.
    pub fn check(&self) -> Result<(), Failure> {
        self.0.iter().position(|b| !ALPHABET.contains(b)).map_or(Ok(()), |at| Err(foreign("PID", at)))?;
        match self.0.split_last() {
            Some((check, run)) if check_character(run) != *check => Err(invalid(format!(
                "the PID's check character (the last one) does not fit the seven before, in {self}"
            ))),
            _ => Ok(()),
        }
    }

    /// The eight characters without a dash, as files and TLS have them. Bytes outside ASCII are escaped.
    pub fn plain(&self) -> String {
        self.0.escape_ascii().to_string()
    }
}

impl fmt::Display for Pid {
    /// As people write it, `XXXX-XXXX`; bytes that are no printable ASCII are escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, second) = self.0.split_at(GROUP);
        write!(f, "{}-{}", first.escape_ascii(), second.escape_ascii())
    }
}

impl fmt::Debug for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Pps {
    /// Reads a PPS.
    ///
    /// # Errors
    /// `PSK_INVALID` names the length, the position of a foreign character, or the group whose check character does not fit; never
    /// the characters themselves.
    pub fn parse(text: &str, form: Form) -> Result<Self, Failure> {
        let bytes = characters::<PPS_LEN>("PPS", text, form)?;
        if let Some(at) = bytes.iter().position(|b| !ALPHABET.contains(b)) {
            return Err(foreign("PPS", at));
        }
        let fits = |group: &[u8]| matches!(group, [run @ .., check] if check_character(run) == *check);
        match bytes.chunks(GROUP).position(|group| !fits(group)) {
            Some(at) => {
                let text =
                    format!("group {} of the PPS's eight: its check character does not fit the three before", at + 1);
                Err(invalid(text))
            }
            None => Ok(Self(Secret::new(*bytes))),
        }
    }

    /// The 32 characters, as files have them and as the key of the TLS session.
    pub const fn expose(&self) -> &[u8; PPS_LEN] {
        self.0.expose()
    }

    /// The 32 characters as text.
    pub fn plain(&self) -> Secret<String> {
        Secret::new(self.expose().iter().map(|b| char::from(*b)).collect())
    }

    /// As people type it: eight groups of four with dashes between.
    pub fn dashed(&self) -> Secret<String> {
        let mut text = String::with_capacity(PPS_LEN + PPS_LEN / GROUP);
        for (at, group) in self.expose().chunks(GROUP).enumerate() {
            if at > 0 {
                text.push('-');
            }
            text.extend(group.iter().map(|b| char::from(*b)));
        }
        Secret::new(text)
    }
}

impl PskPair {
    /// Reads both halves.
    ///
    /// # Errors
    /// `PSK_INVALID`, see [`Pid::parse`] and [`Pps::parse`].
    pub fn parse(pid: &str, pps: &str, form: Form) -> Result<Self, Failure> {
        Ok(Self { pid: Pid::parse(pid, form)?, pps: Pps::parse(pps, form)? })
    }

    /// Makes a pair out of random bytes, which `fill` writes into the buffer that it is given. Every character is as likely as any other
    /// (bytes that would favour some are drawn again), so a PPS is worth 124 bits.
    ///
    /// # Errors
    /// What `fill` returns.
    pub fn generate<E>(mut fill: impl FnMut(&mut [u8]) -> Result<(), E>) -> Result<Self, E> {
        let mut source = Source { fill: &mut fill, pool: Zeroizing::new([0; POOL]), used: POOL };
        let mut pid = [0; PID_LEN];
        source.groups(&mut pid, PID_LEN)?;
        let mut pps = Zeroizing::new([0; PPS_LEN]);
        source.groups(&mut *pps, GROUP)?;
        Ok(Self { pid: Pid(pid), pps: Pps(Secret::new(*pps)) })
    }
}

/// Random bytes drawn at once.
const POOL: usize = 64;

struct Source<'a, F> {
    fill: &'a mut F,
    pool: Zeroizing<[u8; POOL]>,
    used: usize,
}

impl<F, E> Source<'_, F>
where
    F: FnMut(&mut [u8]) -> Result<(), E>,
{
    /// Fills `out` with groups of `length`, each ending in its check character.
    fn groups(&mut self, out: &mut [u8], length: usize) -> Result<(), E> {
        for group in out.chunks_mut(length) {
            let Some((check, run)) = group.split_last_mut() else { continue };
            for free in &mut *run {
                *free = self.character()?;
            }
            *check = check_character(run);
        }
        Ok(())
    }

    fn character(&mut self) -> Result<u8, E> {
        /// Largest multiple of 36 in a byte's range: from here on drawn again.
        const FAIR: u8 = 252;
        loop {
            if self.used == POOL {
                (self.fill)(&mut *self.pool)?;
                self.used = 0;
            }
            let byte = self.pool.get(self.used).copied().unwrap_or_default();
            self.used += 1;
            if byte < FAIR {
                return Ok(ALPHABET.get(usize::from(byte) % ALPHABET.len()).copied().unwrap_or_default());
            }
        }
    }
}

fn characters<const N: usize>(what: &str, text: &str, form: Form) -> Result<Zeroizing<[u8; N]>, Failure> {
    let mut bytes = Zeroizing::new([0; N]);
    let kept = text.chars().filter(|c| form == Form::Strict || !(*c == '-' || c.is_whitespace()));
    let mut count = 0;
    for (at, c) in kept.enumerate() {
        count = at + 1;
        let c = if form == Form::Typed { c.to_ascii_uppercase() } else { c };
        match (bytes.get_mut(at), u8::try_from(u32::from(c))) {
            (Some(slot), Ok(byte)) if byte.is_ascii() => *slot = byte,
            (Some(_), _) => return Err(foreign(what, at)),
            // Counted to the end: the message tells how many there are.
            (None, _) => {}
        }
    }
    if count == N { Ok(bytes) } else { Err(invalid(format!("the {what} has {count} characters instead of {N}"))) }
}

fn foreign(what: &str, at: usize) -> Failure {
    invalid(format!("character {} of the {what} is none of A to Z, 0 to 9", at + 1))
}

fn invalid(message: String) -> Failure {
    Failure::new(ErrorCode::PSK_INVALID, STAGE, message)
}

#[cfg(test)]
mod tests;

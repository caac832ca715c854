//! Passwords that AMT accepts: checked, generated, hashed for the wire.

use amt_core::Secret;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

/// The account that every machine has.
pub const ADMIN: &str = "admin";
/// Password of a machine fresh from the factory.
pub const FACTORY: &str = "admin";

const GENERATED_LENGTH: usize = 20;
const LOWER: &[u8] = b"abcdefghijkmnpqrstuvwxyz";
const UPPER: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ";
const DIGIT: &[u8] = b"23456789";
// Special characters that no shell, CSV, XML or keyboard layout of the pre-boot menu turns into something else.
const SPECIAL: &[u8] = b"!@#$%*+-=.?";

/// Whether the firmware would take `password`: 8 to 32 printable ASCII characters, upper and lower case, a digit and a special
/// character; `"` `,` `:` are never accepted, `_` does not count as special.
pub fn check(password: &str) -> Result<(), &'static str> {
    let has = |test: fn(&u8) -> bool| password.as_bytes().iter().any(test);
    if !(8..=32).contains(&password.len()) {
        Err("it must be 8 to 32 characters long")
    } else if has(|b| !(0x21..=0x7e).contains(b)) {
        Err("only printable ASCII characters without blanks are accepted")
    } else if has(|b| matches!(b, b'"' | b',' | b':')) {
        Err("the characters \" , : are not accepted")
    } else if !has(u8::is_ascii_lowercase) || !has(u8::is_ascii_uppercase) {
        Err("it must hold upper and lower case letters")
    } else if !has(u8::is_ascii_digit) {
        Err("it must hold a digit")
    } else if !has(|b| b.is_ascii_punctuation() && *b != b'_') {
        Err("it must hold a special character")
    } else {
        Ok(())
    }
}

/// A password of 20 characters, about 120 bits, out of a random seed.
pub fn generate(seed: [u8; 32]) -> Secret<String> {
    Random::new(seed).password()
}

/// Random choices out of one seed that the driver supplies.
pub(crate) struct Random {
    seed: Zeroizing<[u8; 32]>,
    counter: u64,
    block: Zeroizing<Vec<u8>>,
}

impl Random {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self { seed: Zeroizing::new(seed), counter: 0, block: Zeroizing::new(Vec::new()) }
    }

    fn byte(&mut self) -> u8 {
        if self.block.is_empty() {
            let mut hash = Sha256::new();
            hash.update(self.seed.as_slice());
            hash.update(self.counter.to_le_bytes());
            self.counter += 1;
            self.block.zeroize();
            self.block.extend_from_slice(&hash.finalize());
        }
        self.block.pop().unwrap_or_default()
    }

    /// A seed for something else, independent of what this generator gives next.
    pub(crate) fn fork(&mut self) -> [u8; 32] {
        std::array::from_fn(|_| self.byte())
    }

    /// Fills `bytes`.
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.byte();
        }
    }

    /// A uniform number below `bound` (1 to 256), by rejection.
    fn below(&mut self, bound: usize) -> usize {
        let limit = 256 - 256 % bound.clamp(1, 256);
        loop {
            let byte = usize::from(self.byte());
            if byte < limit {
                return byte % bound.max(1);
            }
        }
    }

    fn pick(&mut self, from: &[u8]) -> char {
        let at = self.below(from.len());
        char::from(from.get(at).copied().unwrap_or(b'x'))
    }

    /// A password of 20 characters, about 120 bits, that [`check`] accepts.
    pub(crate) fn password(&mut self) -> Secret<String> {
        let all = Zeroizing::new([LOWER, UPPER, DIGIT, SPECIAL].concat());
        loop {
            let text: String = (0..GENERATED_LENGTH).map(|_| self.pick(&all)).collect();
            let secret = Secret::new(text);
            if check(secret.expose()).is_ok() {
                return secret;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_passwords_are_accepted_and_differ() {
        let mut random = Random::new([7; 32]);
        let all: std::collections::BTreeSet<_> = (0..200)
            .map(|_| {
                let p = random.password();
                check(p.expose()).unwrap();
                p.expose().clone()
            })
            .collect();
        assert_eq!(all.len(), 200);
    }

    #[test]
    fn the_rules_are_the_firmwares() {
        for (bad, why) in [
            ("Aa1!aaa", "8 to 32"),
            ("aaaaaa1!", "upper"),
            ("Aaaaaaa!", "digit"),
            ("Aaaaaaa1", "special"),
            ("Aaaaaa1_", "special"),
            ("Aaaa:a1!", "not accepted"),
            ("Aaaa a1!", "printable"),
        ] {
            assert!(check(bad).unwrap_err().contains(why), "{bad}");
        }
        check("P@ssw0rd").unwrap();
    }
}

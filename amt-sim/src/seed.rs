//! Randomness that repeats: every choice of a virtual machine follows from its seed.

use sha2::{Digest, Sha256};

/// A deterministic stream: SHA-256 over a seed and a counter. Not for secrets; the machines are virtual.
#[derive(Clone, Debug)]
pub struct Seeded {
    key: [u8; 32],
    counter: u64,
}

impl Seeded {
    /// The stream that belongs to `seed` and a purpose, so that two purposes of one machine do not share choices.
    pub fn new(seed: u64, purpose: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(seed.to_le_bytes());
        hash.update(purpose.as_bytes());
        Self { key: hash.finalize().into(), counter: 0 }
    }

    fn block(&mut self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.key);
        hash.update(self.counter.to_le_bytes());
        self.counter = self.counter.wrapping_add(1);
        hash.finalize().into()
    }

    /// The next `N` bytes, at most 32.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        const { assert!(N <= 32, "one block at a time") };
        let block = self.block();
        let mut out = [0; N];
        out.copy_from_slice(&block[..N]);
        out
    }

    /// The next 64 bits.
    pub fn number(&mut self) -> u64 {
        u64::from_le_bytes(self.bytes())
    }

    /// A number below `end`; 0 if `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.number() % end }
    }

    /// True in `percent` of the cases.
    pub fn percent(&mut self, percent: u8) -> bool {
        self.below(100) < u64::from(percent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_stream_and_another_purpose_another() {
        let mut a = Seeded::new(7, "nonce");
        let mut b = Seeded::new(7, "nonce");
        let mut c = Seeded::new(7, "chunk");
        let first = a.number();
        assert_eq!(first, b.number());
        assert_ne!(first, c.number());
        assert_ne!(first, a.number(), "the stream moves on");
        assert!((0..100).all(|_| a.below(3) < 3));
        assert_eq!(a.below(0), 0);
    }
}

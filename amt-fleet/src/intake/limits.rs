//! How often an address, a token or a client may ask: bounded memory of the recent past.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Most addresses, and most tokens and clients, remembered at a time; more than this within seconds is an attack, and its newest are
/// refused.
const MAX_REMEMBERED: usize = 65_536;
/// A full table is searched for what can go at most this often.
const SWEEP: Duration = Duration::from_secs(1);

/// How often something may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rate {
    /// At once after a quiet time.
    pub burst: u32,
    /// A second, in the long run; at least 1.
    pub per_second: u32,
}

impl Rate {
    /// `burst` at once and `per_second` in the long run.
    pub const fn new(burst: u32, per_second: u32) -> Self {
        Self { burst, per_second }
    }
}

/// A bucket for each key that fills with time.
#[derive(Debug)]
pub(super) struct Buckets<K> {
    rate: Rate,
    known: HashMap<K, Bucket>,
    swept: Option<Instant>,
}

#[derive(Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    fn filled(&self, rate: Rate, now: Instant) -> f64 {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * f64::from(rate.per_second.max(1));
        (self.left + gained).min(f64::from(rate.burst.max(1)))
    }
}

impl<K: Hash + Eq> Buckets<K> {
    pub(super) fn new(rate: Rate) -> Self {
        Self { rate, known: HashMap::new(), swept: None }
    }

    /// Takes one from the bucket of `key`.
    ///
    /// # Errors
    /// How long to wait until there is one.
    pub(super) fn take(&mut self, key: K, now: Instant) -> Result<(), Duration> {
        let rate = self.rate;
        if self.known.len() >= MAX_REMEMBERED && !self.known.contains_key(&key) {
            if self.swept.is_none_or(|at| now.saturating_duration_since(at) >= SWEEP) {
                self.swept = Some(now);
                self.known.retain(|_, bucket| bucket.filled(rate, now) < f64::from(rate.burst.max(1)));
            }
            if self.known.len() >= MAX_REMEMBERED {
                return Err(SWEEP);
            }
        }
        let bucket = self.known.entry(key).or_insert(Bucket { left: f64::from(rate.burst.max(1)), at: now });
        (bucket.left, bucket.at) = (bucket.filled(rate, now), now);
        if bucket.left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - bucket.left) / f64::from(rate.per_second.max(1))));
        }
        bucket.left -= 1.0;
        Ok(())
    }
}

/// Connections open now, by address. Bounded by the connections there are.
#[derive(Debug, Default)]
pub(super) struct Open(HashMap<IpAddr, u32>);

impl Open {
    /// Counts one in, unless `most` are open.
    pub(super) fn enter(&mut self, source: IpAddr, most: u32) -> bool {
        let open = self.0.entry(source).or_default();
        if *open >= most {
            return false;
        }
        *open += 1;
        true
    }

    /// One has ended.
    pub(super) fn leave(&mut self, source: IpAddr) {
        if let Some(open) = self.0.get_mut(&source) {
            *open = open.saturating_sub(1);
            if *open == 0 {
                self.0.remove(&source);
            }
        }
    }
}

/// What counts as one source: an IPv4 address, or the /64 that a subscriber has to himself.
pub(super) fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_at_once_and_fills_with_time() {
        let (mut buckets, now) = (Buckets::new(Rate::new(2, 2)), Instant::now());
        assert!(buckets.take(1, now).is_ok() && buckets.take(1, now).is_ok());
        assert_eq!(buckets.take(1, now), Err(Duration::from_millis(500)));
        assert!(buckets.take(2, now).is_ok(), "another key is another matter");
        assert!(buckets.take(1, now + Duration::from_millis(500)).is_ok());
        assert!(buckets.take(1, now + Duration::from_millis(500)).is_err());
    }

    #[test]
    fn memory_is_bounded_and_full_buckets_make_room() {
        let (mut buckets, now) = (Buckets::new(Rate::new(1, 1)), Instant::now());
        for n in 0..MAX_REMEMBERED {
            assert!(buckets.take(n, now).is_ok());
        }
        assert!(buckets.take(usize::MAX, now).is_err());
        assert!(buckets.take(7, now).is_err(), "one that is known is still counted");
        assert_eq!(buckets.known.len(), MAX_REMEMBERED);
        assert!(buckets.take(usize::MAX, now + Duration::from_secs(2)).is_ok());
        assert_eq!(buckets.known.len(), 1);
    }

    #[test]
    fn a_source_has_so_many_connections_and_no_trace_of_it_stays() {
        let mut open = Open::default();
        let one = source("::ffff:10.0.0.1".parse().unwrap());
        assert_eq!(one, "10.0.0.1".parse::<IpAddr>().unwrap());
        assert!(open.enter(one, 2) && open.enter(one, 2) && !open.enter(one, 2));
        open.leave(one);
        assert!(open.enter(one, 2));
        open.leave(one);
        open.leave(one);
        assert!(open.0.is_empty());
        assert_eq!(source("2001:db8::1:2:3:4".parse().unwrap()), source("2001:db8::5".parse().unwrap()));
    }
}

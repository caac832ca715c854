//! Who may connect how often, and who said hello before: bounded memory of the recent past.

use super::ListenerConfig;
use amt_core::SystemId;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Most sources and machines remembered at a time; more than this within seconds is an attack, and its newest are refused.
const MAX_REMEMBERED: usize = 65_536;

/// Connections by source.
#[derive(Debug, Default)]
pub(super) struct Limits(HashMap<IpAddr, Source>);

#[derive(Debug)]
struct Source {
    open: u32,
    /// Connections that may still be opened now: a bucket that fills with time.
    tokens: f64,
    at: Instant,
}

impl Limits {
    /// Counts a connection of `source` in, unless it is one too many.
    pub(super) fn admit(&mut self, source: IpAddr, now: Instant, config: &ListenerConfig) -> bool {
        let (burst, rate) = (f64::from(config.burst), f64::from(config.per_second));
        let filled = |s: &Source| (s.tokens + now.saturating_duration_since(s.at).as_secs_f64() * rate).min(burst);
        if self.0.len() >= MAX_REMEMBERED && !self.0.contains_key(&source) {
            self.0.retain(|_, s| s.open > 0 || filled(s) < burst);
            if self.0.len() >= MAX_REMEMBERED {
                return false;
            }
        }
        let entry = self.0.entry(source).or_insert(Source { open: 0, tokens: burst, at: now });
        (entry.tokens, entry.at) = (filled(entry), now);
        if entry.open >= config.max_per_source || entry.tokens < 1.0 {
            return false;
        }
        entry.open += 1;
        entry.tokens -= 1.0;
        true
    }

    /// A connection of `source` has ended.
    pub(super) fn leave(&mut self, source: IpAddr) {
        if let Some(entry) = self.0.get_mut(&source) {
            entry.open = entry.open.saturating_sub(1);
        }
    }
}

/// Hellos by machine; by address where the machine has no usable UUID.
#[derive(Debug, Default)]
pub(super) struct Repeats(HashMap<(Option<SystemId>, Option<IpAddr>), (Instant, u32)>);

impl Repeats {
    /// Counts a hello; how many there were before it, each within `window` of the one before.
    pub(super) fn count(&mut self, id: Option<SystemId>, source: IpAddr, now: Instant, window: Duration) -> u32 {
        let key = (id, id.is_none().then_some(source));
        let recent = |at: Instant| now.saturating_duration_since(at) <= window;
        if self.0.len() >= MAX_REMEMBERED && !self.0.contains_key(&key) {
            self.0.retain(|_, (at, _)| recent(*at));
            if self.0.len() >= MAX_REMEMBERED {
                return 0;
            }
        }
        let entry = self.0.entry(key).or_insert((now, 0));
        let before = if recent(entry.0) { entry.1 } else { 0 };
        *entry = (now, before.saturating_add(1));
        before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u32) -> IpAddr {
        IpAddr::V4(n.into())
    }

    #[test]
    fn a_source_is_limited_at_once_and_in_the_long_run() {
        let config = ListenerConfig { max_per_source: 2, burst: 3, per_second: 1, ..ListenerConfig::default() };
        let (mut limits, now) = (Limits::default(), Instant::now());
        assert!(limits.admit(address(1), now, &config) && limits.admit(address(1), now, &config));
        assert!(!limits.admit(address(1), now, &config), "two are open");
        assert!(limits.admit(address(2), now, &config), "another source is another matter");
        limits.leave(address(1));
        limits.leave(address(1));
        assert!(limits.admit(address(1), now, &config));
        limits.leave(address(1));
        assert!(!limits.admit(address(1), now, &config), "the burst is used up");
        assert!(limits.admit(address(1), now + Duration::from_secs(1), &config));
    }

    #[test]
    fn memory_is_bounded_and_old_sources_make_room() {
        let config = ListenerConfig::default();
        let (mut limits, now) = (Limits::default(), Instant::now());
        for n in 0..u32::try_from(MAX_REMEMBERED).unwrap() {
            assert!(limits.admit(address(n), now, &config));
        }
        assert!(!limits.admit(address(u32::MAX), now, &config));
        assert_eq!(limits.0.len(), MAX_REMEMBERED);
        limits.leave(address(7));
        assert!(limits.admit(address(u32::MAX), now + Duration::from_secs(60), &config));
    }

    #[test]
    fn repetitions_are_counted_within_the_window() {
        let (mut repeats, now) = (Repeats::default(), Instant::now());
        let (window, id) = (Duration::from_secs(60), Some(SystemId::from_wire([7; 16])));
        assert_eq!(repeats.count(id, address(1), now, window), 0);
        assert_eq!(repeats.count(id, address(2), now + window, window), 1, "by machine, not by address");
        assert_eq!(repeats.count(id, address(1), now + 3 * window, window), 0);
        assert_eq!(repeats.count(None, address(1), now, window), 0);
        assert_eq!(repeats.count(None, address(1), now, window), 1);
        assert_eq!(repeats.count(None, address(2), now, window), 0);
    }
}

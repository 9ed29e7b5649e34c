//! How often somebody may ask: counted in this process, in windows that slide, within bounded memory.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Of how many is counted at once, for each that is counted; beyond it those are forgotten whose windows are over, and then all.
const MOST: usize = 20_000;

/// So many in such a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub most: u32,
    /// In which time.
    pub window: Duration,
}

/// Counters, by what is counted and whose it is. However many strangers there are, of people is counted as before.
#[derive(Debug, Default)]
pub struct Throttle {
    counts: Mutex<HashMap<&'static str, HashMap<String, Vec<Count>>>>,
}

/// Where a stranger is: an address, or of IPv6 the network that one customer has (RFC 6177 §2).
#[must_use]
pub fn place(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address @ IpAddr::V4(_) => address,
    }
}

/// What came in this window, and in the one before.
#[derive(Clone, Copy, Debug)]
struct Count {
    since: Instant,
    now: u32,
    before: u32,
}

impl Throttle {
    /// Counts one request of that kind; the seconds after which there is room, where there is none at one of the rates.
    pub fn count(&self, kind: &'static str, who: &str, rates: &[Rate]) -> Result<(), u64> {
        self.count_at(kind, who, rates, Instant::now())
    }

    fn count_at(&self, kind: &'static str, who: &str, rates: &[Rate], at: Instant) -> Result<(), u64> {
        let mut all = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let all = all.entry(kind).or_default();
        if all.len() >= MOST {
            let longest = rates.iter().map(|rate| rate.window).max().unwrap_or_default();
            all.retain(|_, counts| counts.iter().any(|count| at.duration_since(count.since) < longest * 2));
            if all.len() >= MOST {
                all.clear();
            }
        }
        let fresh = || vec![Count { since: at, now: 0, before: 0 }; rates.len()];
        let counts = all.entry(who.to_owned()).or_insert_with(fresh);
        for (count, rate) in counts.iter_mut().zip(rates) {
            count.slide(rate.window, at);
        }
        let full = counts.iter().zip(rates).filter(|(count, rate)| count.is_full(rate, at));
        if let Some(wait) = full.map(|(count, rate)| count.wait(rate, at)).max() {
            return Err(wait);
        }
        for count in counts {
            count.now += 1;
        }
        Ok(())
    }
}

/// Places for what takes much memory or time: so many at once, and so many of one person. A clone is the same.
#[derive(Clone, Debug)]
pub struct Places(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    most: usize,
    each: usize,
    held: Mutex<HashMap<String, usize>>,
}

/// A place, given back with this.
#[derive(Debug)]
pub struct Held {
    places: Places,
    who: String,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// Others have them all.
    All,
    /// Whoever asks has as many as one may.
    Own,
}

impl Places {
    /// So many, and so many for each.
    #[must_use]
    pub fn new(most: usize, each: usize) -> Self {
        Self(Arc::new(Inner { most, each, held: Mutex::default() }))
    }

    /// A place for somebody.
    pub fn take(&self, who: &str) -> Result<Held, Full> {
        let mut held = self.held();
        if held.get(who).is_some_and(|own| *own >= self.0.each) {
            return Err(Full::Own);
        }
        if held.values().sum::<usize>() >= self.0.most {
            return Err(Full::All);
        }
        *held.entry(who.to_owned()).or_default() += 1;
        Ok(Held { places: self.clone(), who: who.to_owned() })
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut held = self.places.held();
        if let Some(own) = held.get_mut(&self.who) {
            *own -= 1;
            if *own == 0 {
                held.remove(&self.who);
            }
        }
    }
}

impl Count {
    fn slide(&mut self, window: Duration, at: Instant) {
        let passed = at.duration_since(self.since);
        if passed >= window * 2 {
            *self = Self { since: at, now: 0, before: 0 };
        } else if passed >= window {
            *self = Self { since: self.since + window, now: 0, before: self.now };
        }
    }

    /// Of the window before counts as much as the last window's length still reaches into it.
    fn is_full(&self, rate: &Rate, at: Instant) -> bool {
        let passed = at.duration_since(self.since).as_secs_f64() / rate.window.as_secs_f64();
        f64::from(self.now) + f64::from(self.before) * (1.0 - passed).max(0.0) >= f64::from(rate.most)
    }

    fn wait(&self, rate: &Rate, at: Instant) -> u64 {
        (rate.window.saturating_sub(at.duration_since(self.since))).as_secs().max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Rate = Rate { most: 30, window: Duration::from_mins(1) };
    const HOUR: Rate = Rate { most: 45, window: Duration::from_hours(1) };

    #[test]
    fn the_thirty_first_in_a_minute_is_one_too_many() {
        let throttle = Throttle::default();
        let start = Instant::now();
        let ask = |who, seconds| {
            throttle.count_at("search", who, &[MINUTE, HOUR], start + Duration::from_secs(seconds))
        };
        assert!((0..30).all(|second| ask("alice", second).is_ok()));
        assert_eq!(ask("alice", 30), Err(30));
        assert!(ask("bob", 30).is_ok());
        // What was refused does not count, and the window slides.
        assert!(ask("alice", 61).is_ok());
        assert!(ask("alice", 62).is_err());
        assert!(ask("alice", 90).is_ok());
        // The longer window holds, too.
        assert!((0..13).all(|_| ask("alice", 300).is_ok()));
        assert!(ask("alice", 300).is_err_and(|wait| wait > 3000));
        assert!(ask("alice", 3 * 3600).is_ok());
    }

    #[test]
    fn many_people_do_not_fill_the_memory() {
        let throttle = Throttle::default();
        for _ in 0..30 {
            throttle.count("search", "alice", &[MINUTE, HOUR]).unwrap();
        }
        for number in 0..3 * MOST {
            throttle.count("x", &number.to_string(), &[MINUTE]).unwrap();
        }
        assert!(throttle.counts.lock().unwrap()["x"].len() <= MOST);
        assert!(
            throttle.count("search", "alice", &[MINUTE, HOUR]).is_err(),
            "strangers make it forget nobody"
        );
    }

    #[test]
    fn nobody_has_all_places() {
        let places = Places::new(3, 2);
        let (one, two) = (places.take("alice").unwrap(), places.take("alice").unwrap());
        assert_eq!(places.take("alice").unwrap_err(), Full::Own);
        let three = places.take("bob").unwrap();
        assert_eq!(places.take("carol").unwrap_err(), Full::All);
        drop(one);
        let four = places.take("carol").unwrap();
        drop((two, three, four));
        assert!(places.held().is_empty());
    }

    #[test]
    fn a_customer_has_one_network() {
        let at = |text: &str| place(text.parse().unwrap());
        assert_eq!(at("2001:db8:1:2::3"), at("2001:db8:1:2:ffff::1"));
        assert_ne!(at("2001:db8:1:2::3"), at("2001:db8:1:3::3"));
        assert_eq!(at("2001:db8:1:2::3").to_string(), "2001:db8:1:2::");
        assert_eq!(at("::ffff:192.0.2.1"), at("192.0.2.1"));
        assert_ne!(at("192.0.2.1"), at("192.0.2.2"));
    }
}

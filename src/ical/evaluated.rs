//! The VTIMEZONEs that were evaluated last, by their octets: the objects of a calendar repeat the same few.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use crate::ical::recur::Exhausted;
use crate::ical::zone::Zone;

/// Octets that all of it may take, about; beyond that it begins anew.
const MOST: usize = 4 << 20;
/// Octets of a VTIMEZONE that is kept: longer ones are made up, and no calendar repeats them.
const LONGEST: usize = 32 << 10;
/// What an entry takes beside its octets and its changes, about.
const ENTRY: usize = 128;

#[derive(Default)]
struct Evaluated {
    known: HashMap<Box<[u8]>, Option<Zone>>,
    weight: usize,
}

static LAST: LazyLock<Mutex<Evaluated>> = LazyLock::new(Mutex::default);

/// What the VTIMEZONE of these octets says, evaluated if it was not before. What was not finished is not kept.
pub(super) fn or_evaluate(
    octets: &[u8],
    evaluate: impl FnOnce() -> Result<Option<Zone>, Exhausted>,
) -> Result<Option<Zone>, Exhausted> {
    if octets.len() > LONGEST {
        return evaluate();
    }
    if let Some(zone) = last().known.get(octets) {
        return Ok(zone.clone());
    }
    // The lock is not held meanwhile: two that evaluate the same get the same.
    let zone = evaluate()?;
    last().keep(octets, zone.clone());
    Ok(zone)
}

fn last() -> MutexGuard<'static, Evaluated> {
    LAST.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Evaluated {
    fn keep(&mut self, octets: &[u8], zone: Option<Zone>) {
        let weight = octets.len() + zone.as_ref().map_or(0, Zone::weight) + ENTRY;
        if self.weight + weight > MOST {
            *self = Self::default();
        }
        if self.known.insert(octets.into(), zone).is_none() {
            self.weight += weight;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_not_evaluated_again() {
        let octets = b"known once";
        let first = or_evaluate(octets, || Ok(Some(Zone::utc()))).unwrap();
        let again = or_evaluate(octets, || panic!("evaluated again")).unwrap();
        assert!(first.is_some() && again.is_some());
        assert!(or_evaluate(b"not finished", || Err(Exhausted)).is_err());
        assert!(or_evaluate(b"not finished", || Ok(None)).unwrap().is_none(), "a later budget may suffice");
    }

    #[test]
    fn it_never_grows_beyond_its_bound() {
        let mut all = Evaluated::default();
        for n in 0..1_000_u32 {
            let octets = n.to_be_bytes().repeat(LONGEST / 4);
            all.keep(&octets, None);
            all.keep(&octets, None);
            assert!(all.weight <= MOST);
            let held: usize = all.known.keys().map(|octets| octets.len() + ENTRY).sum();
            assert_eq!(held, all.weight);
        }
        assert!(all.known.len() > 50);
    }

    #[test]
    fn what_is_very_long_is_not_kept() {
        let long = vec![b'x'; LONGEST + 1];
        assert!(or_evaluate(&long, || Ok(Some(Zone::utc()))).unwrap().is_some());
        assert!(or_evaluate(&long, || Ok(None)).unwrap().is_none());
    }
}

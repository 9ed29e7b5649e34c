//! The times of a day that a rule yields: a product of hours, minutes and seconds that is counted, never listed.

use jiff::civil::Time;

/// A set of times: each hour with each minute with each second; bit n of a mask for the value n.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clock {
    pub(super) hours: u64,
    pub(super) minutes: u64,
    pub(super) seconds: u64,
}

impl Clock {
    /// How many times there are.
    pub(super) fn len(self) -> u64 {
        count(self.hours) * count(self.minutes) * count(self.seconds)
    }

    /// The time that has `n` others before it.
    pub(super) fn nth(self, n: u64) -> Option<Time> {
        let (n, second) = split(n, self.seconds)?;
        let (n, minute) = split(n, self.minutes)?;
        let (_, hour) = split(n, self.hours)?;
        Time::new(hour, minute, second, 0).ok()
    }

    /// How many of the times are before `time`.
    pub(super) fn rank(self, time: Time) -> u64 {
        let minutes = count(self.minutes);
        let seconds = count(self.seconds);
        let mut rank = count(below(self.hours, time.hour())) * minutes * seconds;
        if has(self.hours, time.hour()) {
            rank += count(below(self.minutes, time.minute())) * seconds;
            if has(self.minutes, time.minute()) {
                rank += count(below(self.seconds, time.second()));
            }
        }
        rank
    }
}

/// The least value in a mask that is not below `from`.
pub(super) fn next(mask: u64, from: i64) -> Option<i64> {
    let rest = mask & (u64::MAX.checked_shl(u32::try_from(from).ok()?)?);
    (rest != 0).then(|| i64::from(rest.trailing_zeros()))
}

/// The index of the bit that has `n` others below it; 64 where there is none.
pub(super) fn nth_bit(mut mask: u64, n: u64) -> u32 {
    // Most masks have all values from 0 on.
    if u64::from(mask.trailing_ones()) > n {
        return u32::try_from(n).unwrap_or(64);
    }
    for _ in 0..n {
        mask &= mask.wrapping_sub(1);
    }
    mask.trailing_zeros()
}

/// How many values are in a mask.
pub(super) fn count(mask: u64) -> u64 {
    u64::from(mask.count_ones())
}

fn below(mask: u64, value: i8) -> u64 {
    mask & ((1 << value) - 1)
}

fn has(mask: u64, value: i8) -> bool {
    mask & (1 << value) != 0
}

/// Takes the lowest digit off `n`, counting in the values of the mask.
fn split(n: u64, mask: u64) -> Option<(u64, i8)> {
    let base = count(mask);
    let value = i8::try_from(nth_bit(mask, n.checked_rem(base)?)).ok()?;
    Some((n / base, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_counted_and_picked() {
        let clock = Clock { hours: 1 << 9 | 1 << 23, minutes: 1 | 1 << 30 | 1 << 59, seconds: 1 << 5 };
        assert_eq!(clock.len(), 6);
        let all: Vec<_> = (0..6).map(|n| clock.nth(n).unwrap()).collect();
        assert!(all.is_sorted());
        assert_eq!(all[4].to_string(), "23:30:05");
        for (n, time) in (0..).zip(all) {
            assert_eq!((clock.rank(time), clock.rank(time + jiff::Span::new().seconds(1))), (n, n + 1));
        }
        assert_eq!((clock.rank(Time::midnight()), clock.rank(Time::MAX)), (0, 6));
    }
}

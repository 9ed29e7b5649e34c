//! How much a calendar and a home take: the limits that are settings and that no other rule looks at.

use crate::{
    config::Settings,
    dav::{
        Cx, Refusal, Result,
        condition::{MAX_DATE_TIME, MIN_DATE_TIME, QUOTA_NOT_EXCEEDED},
    },
    db::Tx,
    ical::ALWAYS,
    model::Index,
    store,
};

/// Refuses what happens too early or too late, as far as it is indexed (RFC 4791 §5.2.6, §5.2.7). What has no date, or none
/// at one end, is at all times, or up to the other. A series that has a pattern has no rows, and starts where they end.
pub fn in_time(settings: &Settings, index: &Index) -> Result<(), Refusal> {
    let limits = &settings.calendar;
    let first = index.tail.filter(|_| index.instances.is_empty());
    let starts = index.instances.iter().map(|instance| instance.starts).chain(first);
    let ends = index.instances.iter().map(|instance| instance.ends).chain(first);
    let (starts, ends) = (starts.filter(|at| *at != ALWAYS.start), ends.filter(|at| *at != ALWAYS.end));
    if let (Some(least), Some(first)) = (limits.min_date_time, starts.min())
        && first < least.second()
    {
        return Err(MIN_DATE_TIME.because(format!("nothing may happen before {least}")));
    }
    if let (Some(most), Some(last)) = (limits.max_date_time, ends.max())
        && last > most.second()
    {
        return Err(MAX_DATE_TIME.because(format!("nothing may happen after {most}")));
    }
    Ok(())
}

/// Refuses so many more octets, if the objects of the home would take too many then (RFC 4331 §6). Writers of other calendars may be at it at the same time: a home may come to hold what they all write then beyond its quota.
pub async fn in_quota(cx: &Cx, tx: &Tx, home_id: i64, more: i64) -> Result<()> {
    let quota = i64::try_from(*cx.settings.calendar.quota).unwrap_or(i64::MAX);
    // What takes no more room is let in, even where there is too much already.
    if quota == 0 || more <= 0 || store::calendar::octets(tx, home_id).await? + more <= quota {
        return Ok(());
    }
    Err(QUOTA_NOT_EXCEEDED.into())
}

#[cfg(test)]
mod tests {
    use crate::{
        dav::condition::Condition,
        model::{Busy, Instance},
    };

    use super::*;

    #[test]
    fn what_happens_at_the_limit_is_within_it_and_a_second_beyond_is_not() {
        let mut settings = Settings::default();
        let judged = |settings: &Settings, starts, ends| {
            let instances = vec![Instance { starts, ends, floating: false, busy: Busy::Busy }];
            let refused = in_time(settings, &Index { instances, ..Index::default() }).err();
            refused.and_then(|refusal| refusal.condition)
        };
        assert_eq!(judged(&settings, i64::MIN, i64::MAX), None, "by default there is no limit");
        assert_eq!(judged(&settings, ALWAYS.start, ALWAYS.end), None, "without a date");
        settings.calendar.min_date_time = Some("1970-01-01T00:00:10Z".parse().unwrap());
        settings.calendar.max_date_time = Some("1970-01-01T00:01:00Z".parse().unwrap());
        let at = |starts, ends| -> Option<Condition> { judged(&settings, starts, ends) };
        assert_eq!(at(10, 60), None);
        assert_eq!(at(9, 60), Some(MIN_DATE_TIME));
        assert_eq!(at(10, 61), Some(MAX_DATE_TIME));
        assert_eq!((at(ALWAYS.start, 60), at(ALWAYS.start, 61)), (None, Some(MAX_DATE_TIME)));
        let goes_on = |from| {
            let index = Index { tail: Some(from), pattern: Some("x".to_owned()), ..Index::default() };
            in_time(&settings, &index).err().and_then(|refusal| refusal.condition)
        };
        assert_eq!((goes_on(10), goes_on(60)), (None, None), "a series that has a pattern instead of rows");
        assert_eq!((goes_on(9), goes_on(61)), (Some(MIN_DATE_TIME), Some(MAX_DATE_TIME)));
    }
}

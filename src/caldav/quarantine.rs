//! Quarantine: a stored object that cannot be read any more stands in nobody's way, and is told of (docs/decisions/0021).

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;

use crate::{
    dav::{Refusal, condition::VALID_CALENDAR_DATA},
    front::Status,
    ical::{Calendar, Invalid},
    store::Object,
};

use super::storing::etag;

/// What the octets of an object say, which must have been loaded.
pub fn read(object: &Object) -> Result<Calendar, Invalid> {
    let read = Calendar::parse(object.body.clone().unwrap_or_default());
    if let Err(why) = &read {
        tell(object, *why);
    }
    read
}

/// Why a report gives nothing of what is in an object: the fault is not the client's.
#[must_use]
pub fn refusal(why: Invalid) -> Refusal {
    Refusal { status: Status::INTERNAL_SERVER_ERROR, ..VALID_CALENDAR_DATA.because(unreadable(why)) }
}

/// What people are told of it.
#[must_use]
pub fn unreadable(why: Invalid) -> String {
    format!("what is stored cannot be read any more ({why}); it can be had by GET, replaced and deleted")
}

/// What is wrong with octets of that entity tag, if anything is.
#[must_use]
pub fn fault(body: Bytes, tag: &str) -> Option<String> {
    let other = etag(&body) != tag;
    match Calendar::parse(body) {
        Err(why) => Some(format!("cannot be read: {why}")),
        Ok(_) if other => {
            Some("can be read, but is not what was stored: its ETag is of other octets".to_owned())
        }
        Ok(_) => None,
    }
}

/// Objects that one process tells of: one that has so many has told enough.
const MOST: usize = 1000;

/// Tells the log, once a process of each state of an object: clients ask every few minutes.
fn tell(object: &Object, why: Invalid) {
    static TOLD: Mutex<Option<HashSet<(i64, i64)>>> = Mutex::new(None);
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    if is_news(told.get_or_insert_default(), (object.id, object.revision)) {
        let name = &object.name;
        tracing::warn!(object = %name, %why, "a stored object cannot be read any more");
    }
}

/// Whether nothing was told of this yet; from now on it was.
fn is_news(told: &mut HashSet<(i64, i64)>, state: (i64, i64)) -> bool {
    told.len() < MOST && told.insert(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_is_told_once_and_not_without_end() {
        let mut told = HashSet::new();
        assert!(is_news(&mut told, (1, 1)) && is_news(&mut told, (1, 2)));
        assert!(!is_news(&mut told, (1, 1)));
        assert_eq!((0..5000).filter(|id| is_news(&mut told, (*id, 9))).count(), MOST - 2);
    }

    #[test]
    fn octets_are_judged_by_what_they_say_and_by_their_tag() {
        let good = Bytes::from_static(b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n");
        assert_eq!(fault(good.clone(), &etag(&good)), None);
        assert!(fault(good.clone(), "x").unwrap().starts_with("can be read, but"));
        let cut = good.slice(..20);
        assert_eq!(
            fault(cut.clone(), &etag(&cut)).unwrap(),
            "cannot be read: line 2, column 4: no colon between name and value"
        );
    }
}

//! What of an object somebody sees who does not own it: nothing, a part, or all but what is its owner's own, with what is
//! theirs (caldav-privateevents §4, docs/decisions/0026).

use bytes::Bytes;

use crate::{
    ical::{Access, Calendar, access, personal},
    store::{
        Lens, Object,
        personal::{Beside, OWN},
    },
};

use super::{parsed, storing::etag};

/// Who may see an object, in a number: what the database keeps beside it.
pub fn code(calendar: &Calendar) -> i16 {
    Access::of(calendar).code() | if personal::has_own(calendar) { OWN } else { 0 }
}

/// The object as it is seen through a lens; none where it is not there. What cannot be read any more may hold anything.
pub fn seen(lens: Lens, object: Object, beside: &Beside) -> Option<Object> {
    if object.component.iter().next().is_none() {
        // What is of no kind is a notification, of which there is all or nothing.
        let hidden = beside.access.map(Access::from_code) == Some(Access::Private);
        return Some(object).filter(|_| lens.own || lens.private || !hidden);
    }
    if lens.own || (beside.access == Some(0) && beside.personal.is_none()) {
        return Some(object);
    }
    let Ok(calendar) = parsed::calendar(&object) else { return Some(object).filter(|_| lens.private) };
    let level = beside.access.map_or_else(|| Access::of(&calendar), |code| Access::from_code(code & !OWN));
    let octets = if lens.private || level == Access::Public {
        personal::seen(&calendar, beside.personal.as_deref())
    } else {
        return Some(Object { cut: true, ..with(object, access::cut(&calendar, level)?) });
    };
    Some(with(object, octets))
}

/// The same with other octets, of which the tag and the size are then.
fn with(object: Object, octets: Bytes) -> Object {
    if object.body.as_ref() == Some(&octets) {
        return object;
    }
    let size = i32::try_from(octets.len()).unwrap_or(i32::MAX);
    Object { etag: etag(&octets), size, body: Some(octets), ..object }
}

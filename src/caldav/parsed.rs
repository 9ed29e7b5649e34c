//! Objects that were read before, by their octets: whoever asks for a week asks again, and to read an object costs more than to
//! look into it.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use crate::{
    ical::{Calendar, Invalid},
    store::Object,
};

use super::quarantine;

/// Octets that all of it may take, with what is known of the lines.
const ROOM: usize = 16 << 20;
/// What an entry takes beside that, about.
const ENTRY: usize = 256;
/// The longest object that is kept.
const LONGEST: usize = 64 << 10;

static KEPT: LazyLock<Mutex<Kept>> = LazyLock::new(Mutex::default);

/// What the octets of an object say, which must have been loaded.
pub fn calendar(object: &Object) -> Result<Arc<Calendar>, Invalid> {
    let octets = object.body.as_ref().filter(|octets| octets.len() <= LONGEST);
    let Some(octets) = octets else { return quarantine::read(object).map(Arc::new) };
    let kept = || KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    // The tag finds it; the octets themselves say that it is the one.
    if let Some(found) = kept().find(&object.etag).filter(|found| found.bytes() == octets) {
        return Ok(found);
    }
    let read = Arc::new(quarantine::read(object)?);
    kept().keep(&object.etag, read.clone());
    Ok(read)
}

/// What was read since the room was last full to the half, and what was read before that: used again it counts as new.
#[derive(Default)]
struct Kept {
    new: HashMap<Box<str>, Arc<Calendar>>,
    old: HashMap<Box<str>, Arc<Calendar>>,
    octets: usize,
}

impl Kept {
    fn find(&mut self, tag: &str) -> Option<Arc<Calendar>> {
        if let Some(found) = self.new.get(tag) {
            return Some(found.clone());
        }
        let found = self.old.remove(tag)?;
        self.keep(tag, found.clone());
        Some(found)
    }

    fn keep(&mut self, tag: &str, read: Arc<Calendar>) {
        if self.octets > ROOM / 2 {
            self.old = mem::take(&mut self.new);
            self.octets = 0;
        }
        self.octets += read.weight() + ENTRY;
        self.new.insert(tag.into(), read);
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use bytes::Bytes;

    use super::*;
    use crate::model::Components;

    fn stored(tag: &str, body: Bytes) -> Object {
        Object {
            id: 1,
            name: "a.ics".to_owned(),
            uid: "a".to_owned(),
            component: Components::default(),
            etag: tag.to_owned(),
            revision: 1,
            size: 1,
            created: SystemTime::UNIX_EPOCH,
            modified: SystemTime::UNIX_EPOCH,
            body: Some(body),
            cut: false,
        }
    }

    fn object(uid: &str, octets: usize) -> Bytes {
        let text = "x".repeat(octets);
        let event = format!("BEGIN:VEVENT\r\nUID:{uid}\r\nDESCRIPTION:{text}\r\nEND:VEVENT\r\n");
        format!("BEGIN:VCALENDAR\r\n{event}END:VCALENDAR\r\n").into()
    }

    #[test]
    fn other_octets_of_the_same_tag_are_another_object() {
        let (one, two) = (object("one", 9), object("two", 9));
        let read = |body: &Bytes| calendar(&stored("same tag", body.clone()));
        assert_eq!(read(&one).unwrap().bytes(), &one);
        assert_eq!(read(&two).unwrap().bytes(), &two);
        assert!(read(&Bytes::from_static(b"BEGIN:VEVENT")).is_err());
    }

    #[test]
    fn room_is_bounded_and_what_is_used_stays() {
        let mut kept = Kept::default();
        let read = |uid: &str| Arc::new(Calendar::parse(object(uid, 60_000)).unwrap());
        kept.keep("used", read("used"));
        for number in 0..1_000 {
            kept.keep(&number.to_string(), read("other"));
            assert!(kept.find("used").is_some(), "{number}");
            let held: usize = kept.new.values().chain(kept.old.values()).map(|one| one.bytes().len()).sum();
            assert!(held <= ROOM + 2 * LONGEST, "{held}");
        }
        assert!(kept.find("0").is_none());
    }

    #[test]
    fn what_is_all_lines_counts_by_its_lines() {
        let mut kept = Kept::default();
        let short = object("a", 0).to_vec();
        let lines =
            [&short[..short.len() - 15], "A:\r\n".repeat(15_000).as_bytes(), b"END:VCALENDAR\r\n"].concat();
        let read = Arc::new(Calendar::parse(lines.into()).unwrap());
        for number in 0..1_000 {
            kept.keep(&number.to_string(), read.clone());
            let held = (kept.new.len() + kept.old.len()) * read.weight();
            assert!(held <= ROOM + 12 * LONGEST, "{held} octets of {}", read.bytes().len());
        }
    }
}

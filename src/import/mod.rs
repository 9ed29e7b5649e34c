//! What is brought from elsewhere into a calendar: how a stream of it is read, in which steps it is stored, and what is told
//! of each object (docs/decisions/0034).

pub mod account;
pub mod base;
pub mod bases;
pub mod davical;
pub mod dump;
pub mod export;
pub mod keep;
pub mod origin;
pub mod packed;
pub mod sabre;
pub mod shelf;
pub mod tree;

mod conversation;
mod place;

use std::collections::HashMap;
use std::fmt;
use std::io::{Read, Seek, SeekFrom};

use anyhow::{Context, Result};
use bytes::Bytes;

use crate::caldav::import::{self as objects, Fate, Fault, Incoming, Target};
use crate::db::Query;
use crate::ical::gather::{gather, said};
use crate::ical::pieces::{Piece, Pieces, Scanner};

/// Every statement about tables of other products, by the file it is from.
pub const ALL: &[(&str, &[Query])] =
    &[("base", base::ALL), ("sabre", sabre::ALL), ("davical", davical::ALL), ("dump", dump::ALL)];

/// Objects in one transaction, and their octets.
const BATCH: (usize, usize) = (500, 4 << 20);
/// Octets of the pieces of an object, and of the time zones of a stream that are remembered.
const MOST_OF_OBJECT: u64 = 64 << 20;
const MOST_OF_ZONES: usize = 16 << 20;
/// Octets that are read at once.
const PART: usize = 256 << 10;

/// How many objects came, and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Objects, and what was to be one.
    pub total: u64,
    /// Those that were not there.
    pub imported: u64,
    /// Those that took the place of another state.
    pub replaced: u64,
    /// Those that were there with the same octets.
    pub unchanged: u64,
    /// Those of which another state was there, and stays.
    pub kept: u64,
    /// Those of which no occurrence is left.
    pub skipped: u64,
    /// Those that cannot be stored.
    pub failed: u64,
    /// Components that came twice; of each the newer is counted in its object.
    pub duplicates: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { total, imported, replaced, unchanged, kept, skipped, failed, duplicates } = self;
        write!(
            out,
            "{total} objects: {imported} imported, {replaced} replaced, {unchanged} unchanged, {kept} kept as they were, \
             {skipped} skipped, {failed} failed; {duplicates} duplicates"
        )
    }
}

/// What is told of an object that did not go in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problem {
    /// The file, or what else it came from.
    pub place: String,
    /// The line in it.
    pub line: u64,
    /// Its UID, as far as it can be read.
    pub uid: Option<String>,
    /// Its summary.
    pub title: Option<String>,
    /// Why.
    pub why: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, line, uid, title, why } = self;
        let uid = uid.as_deref().unwrap_or("no UID").escape_debug();
        let title = title.as_deref().unwrap_or_default();
        write!(out, "{}:{line}: {uid} {title:?}: {}", place.escape_debug(), why.escape_debug())
    }
}

/// What is told while it goes on.
pub enum Told<'a> {
    /// Something did not go in.
    Problem(&'a Problem),
    /// So far it has come.
    Progress(&'a Counts),
}

/// Where an object came from.
struct Whence {
    place: String,
    line: u64,
}

/// An import into one calendar.
pub struct Importer<'a> {
    target: &'a Target<'a>,
    calendar: &'a str,
    tell: &'a mut dyn FnMut(Told<'_>),
    batch: (Vec<Incoming>, Vec<Whence>, usize),
    /// What became of everything so far.
    pub counts: Counts,
}

impl<'a> Importer<'a> {
    /// An import into the calendar of that name.
    pub fn new(
        target: &'a Target<'a>,
        calendar: &'a str,
        counts: Counts,
        tell: &'a mut dyn FnMut(Told<'_>),
    ) -> Self {
        Self { target, calendar, tell, batch: (Vec::new(), Vec::new(), 0), counts }
    }

    /// Takes what is in a stream, which is called `place` to people. It is read twice: first to see where the components are,
    /// then object by object. A stream of one object keeps its octets, and has that name.
    pub async fn stream(
        &mut self,
        source: &mut (impl Read + Seek + Send),
        place: &str,
        name: Option<&str>,
    ) -> Result<()> {
        let (found, octets) = scan(source).with_context(|| place.to_owned())?;
        if found.calendars() == 0 {
            self.counts.total += 1;
            self.failed(&Problem::of(place, 1, &[], "there is no VCALENDAR in it"));
            return Ok(());
        }
        let alone =
            found.calendars() == 1 && found.objects().count() == 1 && found.pieces.iter().all(|p| !p.torn);
        if alone && octets <= self.target.settings.calendar.max_resource_size.0 as u64 {
            let whole = read_at(source, 0, octets)?;
            if let Ok(object) = objects::read(self.target.settings, name, whole) {
                self.counts.total += 1;
                return self.take(object, Whence { place: place.to_owned(), line: 1 }).await;
            }
        }
        let mut zones = Zones::default();
        for pieces in found.objects() {
            self.counts.total += 1;
            self.object(source, place, (&found, pieces), (&mut zones, name.filter(|_| alone))).await?;
        }
        Ok(())
    }

    async fn object(
        &mut self,
        source: &mut (impl Read + Seek + Send),
        place: &str,
        (found, pieces): (&Pieces, &[Piece]),
        (zones, name): (&mut Zones, Option<&str>),
    ) -> Result<()> {
        let line = pieces[0].line;
        if pieces.iter().map(|piece| piece.octets).sum::<u64>() > MOST_OF_OBJECT {
            self.failed(&Problem::of(place, line, &[], "it is too long"));
            return Ok(());
        }
        let mut parts = Vec::with_capacity(pieces.len());
        for piece in pieces {
            parts.push(read_at(source, piece.at, piece.octets)?);
        }
        if pieces[0].torn {
            self.failed(&Problem::of(place, line, &parts, "it has no END"));
            return Ok(());
        }
        let head = found.heads.get(pieces[0].calendar as usize).map_or("", String::as_str);
        let zone =
            |tzid: &str| zones.of(found, pieces, tzid, |piece| read_at(source, piece.at, piece.octets).ok());
        let made = match gather(head, &parts, zone) {
            Ok(made) => made,
            Err(fault) => {
                self.failed(&Problem::of(place, line, &parts, fault.reason));
                return Ok(());
            }
        };
        self.counts.duplicates += made.doubles as u64;
        match objects::read(self.target.settings, name, made.octets) {
            Ok(object) => self.take(object, Whence { place: place.to_owned(), line }).await,
            Err(why) => {
                self.failed(&Problem::of(place, line, &parts, &without_place(&why)));
                Ok(())
            }
        }
    }

    fn failed(&mut self, problem: &Problem) {
        self.counts.failed += 1;
        (self.tell)(Told::Problem(problem));
    }

    async fn take(&mut self, object: Incoming, whence: Whence) -> Result<()> {
        let (all, places, octets) = &mut self.batch;
        *octets += object.octets().len();
        all.push(object);
        places.push(whence);
        if all.len() >= BATCH.0 || *octets >= BATCH.1 { self.flush().await } else { Ok(()) }
    }

    /// Stores what has been taken and is not stored yet.
    pub async fn flush(&mut self) -> Result<()> {
        let (all, places, _) = std::mem::take(&mut self.batch);
        let fates = self.target.store(self.calendar, &all).await.map_err(why)?;
        for ((object, whence), fate) in all.iter().zip(places).zip(fates) {
            let counts = &mut self.counts;
            match fate {
                Fate::Made => counts.imported += 1,
                Fate::Replaced => counts.replaced += 1,
                Fate::Unchanged => counts.unchanged += 1,
                Fate::Kept => counts.kept += 1,
                Fate::Dead => {
                    counts.skipped += 1;
                    let why = "skipped: none of its occurrences is left";
                    let problem = Problem::of(&whence.place, whence.line, &[object.octets().clone()], why);
                    (self.tell)(Told::Problem(&problem));
                }
                Fate::Failed(why) => {
                    let problem = Problem::of(&whence.place, whence.line, &[object.octets().clone()], &why);
                    self.failed(&problem);
                }
            }
        }
        (self.tell)(Told::Progress(&self.counts));
        Ok(())
    }
}

impl Problem {
    fn of(place: &str, line: u64, octets: &[Bytes], why: &str) -> Self {
        let says = |name| octets.iter().find_map(|part| said(part, name));
        Self { place: place.to_owned(), line, uid: says("UID"), title: says("SUMMARY"), why: why.to_owned() }
    }
}

/// Why, without the line in what was made of the pieces: the line in the file is told.
fn without_place(why: &str) -> String {
    let told = why.strip_prefix("line ").and_then(|rest| rest.split_once(": "));
    told.map_or(why, |(_, reason)| reason).to_owned()
}

/// Why something in the database could not be done, for people.
#[must_use]
pub fn why(fault: Fault) -> anyhow::Error {
    match fault {
        Fault::Refused(refusal) => anyhow::anyhow!(objects::why(&refusal)),
        Fault::Busy(error) | Fault::Fault(error) => error.into(),
    }
}

/// Definitions of time zones that were read already.
#[derive(Default)]
struct Zones {
    known: HashMap<(u32, String), Bytes>,
    octets: usize,
}

impl Zones {
    /// The definition of that TZID in one of the VCALENDARs that the pieces are from.
    fn of(
        &mut self,
        found: &Pieces,
        pieces: &[Piece],
        tzid: &str,
        mut read: impl FnMut(&Piece) -> Option<Bytes>,
    ) -> Option<Bytes> {
        for calendar in pieces.iter().map(|piece| piece.calendar) {
            let key = (calendar, tzid.to_owned());
            if let Some(known) = self.known.get(&key) {
                return Some(known.clone());
            }
            let Some(piece) = found.zones.get(&key) else { continue };
            let room = (MOST_OF_ZONES - self.octets) as u64;
            let octets = read(piece).filter(|_| piece.octets <= room)?;
            self.octets += octets.len();
            self.known.insert(key, octets.clone());
            return Some(octets);
        }
        None
    }
}

/// Where the components of a stream are, and how many octets it has.
fn scan(source: &mut (impl Read + Seek)) -> Result<(Pieces, u64)> {
    source.seek(SeekFrom::Start(0))?;
    let (mut scanner, mut part, mut octets) = (Scanner::default(), vec![0; PART], 0);
    loop {
        let read = source.read(&mut part)?;
        if read == 0 {
            return Ok((scanner.finish(), octets));
        }
        octets += read as u64;
        scanner.feed(&part[..read]);
    }
}

fn read_at(source: &mut (impl Read + Seek), at: u64, octets: u64) -> Result<Bytes> {
    let mut read = vec![0; usize::try_from(octets)?];
    source.seek(SeekFrom::Start(at))?;
    source.read_exact(&mut read)?;
    Ok(read.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_a_line() {
        let octets = Bytes::from_static(b"BEGIN:VEVENT\r\nUID:a\r\nSUMMARY:Lu\r\n nch\r\nEND:VEVENT");
        let problem = Problem::of("a.ics", 7, &[octets], "it\nis");
        assert_eq!(problem.to_string(), "a.ics:7: a \"Lunch\": it\\nis");
        assert_eq!(without_place("line 3, column 1: no date"), "no date");
        assert_eq!(without_place("a UID"), "a UID");
    }
}

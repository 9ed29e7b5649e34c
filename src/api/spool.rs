//! A stream of calendar objects that somebody sends: kept until it is read a second time, in memory while it is short and
//! otherwise in a file without a name, and taken apart object by object. No stream takes more memory than there is for it.

use std::{
    io::{self, Read, Seek, SeekFrom, Write},
    mem,
    ops::Range,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tempfile::SpooledTempFile;
use tokio::task::spawn_blocking;

use crate::{
    front::{Body, BodyError, Status},
    ical::{
        Invalid,
        gather::{Gathered, of_pieces},
        pieces::{Piece, Pieces, Scanner},
    },
};

use super::error::{Error, Refusal, Result};

/// Octets of a stream that stay in memory.
const SHORT: usize = 4 << 20;
/// Octets that are written at once.
const PART: usize = 256 << 10;
/// Octets of what is known of a stream: half a million components.
const MOST_KNOWN: usize = 32 << 20;
/// Octets of the definition of a time zone, which each object is given that names it.
const MOST_OF_ZONE: u64 = 256 << 10;
/// Octets of what is no object that are looked at to say which it is.
const MOST_TOLD: u64 = 16 << 10;
/// Octets in a second that whoever sends must come to.
const SLOWEST: u64 = 8 << 10;

/// A stream on its way in.
pub struct Spool {
    file: SpooledTempFile,
    scanner: Scanner,
    octets: u64,
}

/// A stream that is here.
pub struct Stream {
    file: SpooledTempFile,
    found: Pieces,
    /// Its octets, and how many its objects were given that are not their own.
    octets: u64,
    added: u64,
    /// How many pieces of it were taken.
    taken: usize,
    /// What is to come first in the next slice.
    held: Option<Made>,
}

/// How much is taken of a stream at once.
#[derive(Clone, Copy, Debug)]
pub struct Slice {
    /// Objects.
    pub objects: usize,
    /// Octets of them, but for one that has more by itself.
    pub octets: usize,
    /// Octets that one of them may have.
    pub longest: usize,
    /// Octets of time zones that all objects of a stream may be given together, beside three times what was sent.
    pub added: u64,
}

/// What was made of the components of one object.
pub struct Made {
    /// The line of the stream in which it begins.
    pub line: u64,
    /// The object, or why it is none, with how its first component begins.
    pub object: std::result::Result<Gathered, (Invalid, Bytes)>,
}

impl Made {
    fn octets(&self) -> usize {
        self.object.as_ref().map_or(0, |made| made.octets.len())
    }
}

impl Default for Spool {
    fn default() -> Self {
        Self { file: SpooledTempFile::new(SHORT), scanner: Scanner::default(), octets: 0 }
    }
}

impl Spool {
    /// Goes on with the stream.
    fn take(&mut self, octets: &[u8]) -> io::Result<()> {
        self.scanner.feed(octets);
        self.octets += octets.len() as u64;
        self.file.write_all(octets)
    }

    /// The same with more of it, which others do not wait for.
    async fn with(mut self, octets: Vec<u8>) -> Result<Self> {
        let spool = apart(move || self.take(&octets).map(|()| self)).await?;
        if spool.scanner.weight() > MOST_KNOWN {
            let detail = "It has too many components: bring it in in parts.";
            return Err(Refusal::new(Status::PAYLOAD_TOO_LARGE, "too_large", detail).into());
        }
        Ok(spool)
    }

    fn finish(self) -> Stream {
        let Self { file, scanner, octets } = self;
        Stream { file, found: scanner.finish(), octets, added: 0, taken: 0, held: None }
    }
}

impl Stream {
    /// The stream that is at hand.
    pub async fn of(octets: Bytes) -> Result<Self> {
        let mut spool = Spool::default();
        for part in octets.chunks(PART) {
            spool = spool.with(part.to_vec()).await?;
        }
        Ok(spool.finish())
    }

    /// The stream that a body is, of so many octets at most. Whoever sends less than can be waited for, when `grace` is over, is
    /// not waited for.
    pub async fn receive(mut body: Body, most: usize, grace: Duration) -> Result<Self> {
        let (mut spool, mut part, mut octets) = (Spool::default(), Vec::new(), 0);
        let since = Instant::now();
        while let Some(piece) = body.next(most).await? {
            octets += piece.len() as u64;
            if is_slow(since.elapsed(), octets, grace) {
                return Err(BodyError::Slow.into());
            }
            part.extend_from_slice(&piece);
            if part.len() >= PART {
                spool = spool.with(mem::take(&mut part)).await?;
            }
        }
        Ok(spool.with(part).await?.finish())
    }

    /// How many VCALENDARs there are.
    #[must_use]
    pub fn calendars(&self) -> usize {
        self.found.calendars()
    }

    /// The next objects of it, in the order in which they begin; none at its end.
    pub async fn next(mut self, most: Slice) -> Result<(Self, Vec<Made>)> {
        apart(move || {
            let all = self.slice(most)?;
            Ok((self, all))
        })
        .await
    }

    fn slice(&mut self, most: Slice) -> io::Result<Vec<Made>> {
        let (mut all, mut octets) = (Vec::new(), 0);
        while all.len() < most.objects
            && let Some(made) = self.one(most)?
        {
            octets += made.octets();
            if octets > most.octets && !all.is_empty() {
                self.held = Some(made);
                break;
            }
            all.push(made);
        }
        Ok(all)
    }

    /// The next object.
    fn one(&mut self, most: Slice) -> io::Result<Option<Made>> {
        if let Some(held) = self.held.take() {
            return Ok(Some(held));
        }
        let rest = &self.found.pieces[self.taken..];
        let Some(first) = rest.first() else { return Ok(None) };
        let count = rest.iter().take_while(|piece| piece.object == first.object).count();
        let range = self.taken..self.taken + count;
        self.taken = range.end;
        self.made(range, most).map(Some)
    }

    fn made(&mut self, range: Range<usize>, most: Slice) -> io::Result<Made> {
        let Self { file, found, added, .. } = self;
        let (longest, most_added) = (most.longest, most.added + 3 * self.octets);
        let pieces = &found.pieces[range];
        let line = pieces[0].line;
        let place = usize::try_from(line).unwrap_or(usize::MAX);
        let because = |reason| Invalid { line: place, column: 1, reason };
        let (long, own) = (because("it is too long"), pieces.iter().map(|piece| piece.octets).sum::<u64>());
        let mut fault = None;
        let object = if own > longest as u64 {
            Err(long)
        } else {
            let is_zone = |piece: &Piece| !pieces.contains(piece);
            let read = |piece: &Piece| {
                if is_zone(piece) && piece.octets > MOST_OF_ZONE {
                    return None;
                }
                read_at(file, piece.at, piece.octets).map_err(|error| fault = Some(error)).ok()
            };
            of_pieces(found, pieces, read).and_then(|made| {
                let more = (made.octets.len() as u64).saturating_sub(own);
                if made.octets.len() > longest {
                    return Err(long);
                }
                if *added + more > most_added {
                    return Err(because("its time zones are too long for so many events"));
                }
                *added += more;
                Ok(made)
            })
        };
        if let Some(fault) = fault {
            return Err(fault);
        }
        let object = match object {
            Ok(made) => Ok(made),
            Err(why) => Err((why, read_at(file, pieces[0].at, pieces[0].octets.min(MOST_TOLD))?)),
        };
        Ok(Made { line, object })
    }
}

fn read_at(file: &mut SpooledTempFile, at: u64, octets: u64) -> io::Result<Bytes> {
    let mut read = vec![0; usize::try_from(octets).unwrap_or(usize::MAX)];
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut read)?;
    Ok(read.into())
}

/// Does what takes its time beside everything else.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T> {
    let done = spawn_blocking(work).await.map_err(|error| Error::Fault(error.to_string()))?;
    done.map_err(|error| Error::Busy(format!("what was sent cannot be kept for a moment: {error}")))
}

/// Whether so many octets in that time are too few.
fn is_slow(passed: Duration, octets: u64, grace: Duration) -> bool {
    passed > grace && octets < passed.as_secs().saturating_mul(SLOWEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Slice = Slice { objects: 3, octets: 1 << 20, longest: 1000, added: 0 };

    fn event(uid: &str, more: &str) -> String {
        format!("BEGIN:VEVENT\r\nUID:{uid}\r\n{more}END:VEVENT\r\n")
    }

    fn stream(events: &str) -> String {
        format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{events}END:VCALENDAR\r\n")
    }

    async fn objects(text: String, most: Slice) -> Vec<Vec<std::result::Result<String, &'static str>>> {
        let (mut stream, mut all) = (Stream::of(text.into()).await.unwrap(), Vec::new());
        loop {
            let slice;
            (stream, slice) = stream.next(most).await.unwrap();
            if slice.is_empty() {
                return all;
            }
            let told = |made: Made| match made.object {
                Ok(made) => Ok(String::from_utf8(made.octets.to_vec()).unwrap()),
                Err((why, _)) => Err(why.reason),
            };
            all.push(slice.into_iter().map(told).collect());
        }
    }

    #[tokio::test]
    async fn objects_come_in_slices_wherever_their_components_stood() {
        let filling: String =
            (0..20_000).map(|number| event(&format!("f{number}"), "SUMMARY:x\r\n")).collect();
        let text = stream(
            &(event("a", "")
                + &filling
                + &event("a", "RECURRENCE-ID:1\r\n")
                + "BEGIN:VEVENT\r\nUID:torn\r\n"),
        );
        let all = objects(text, Slice { objects: 500, ..ALL }).await;
        assert_eq!(all.iter().map(Vec::len).sum::<usize>(), 20_002);
        assert!(all.iter().all(|slice| slice.len() <= 500));
        let first = all[0][0].as_ref().unwrap();
        assert!(first.matches("UID:a\r\n").count() == 2 && first.contains("RECURRENCE-ID:1"), "{first}");
        assert_eq!(*all.last().unwrap().last().unwrap(), Err("it has no END"));
        let three = || stream(&["a", "b", "c"].map(|uid| event(uid, "")).concat());
        let slices = async |octets| {
            let all = objects(three(), Slice { octets, ..ALL }).await;
            all.iter().map(Vec::len).collect::<Vec<usize>>()
        };
        let one = objects(three(), ALL).await[0][0].as_ref().unwrap().len();
        assert_eq!((slices(1).await, slices(2 * one).await), (vec![1, 1, 1], vec![2, 1]));
    }

    #[tokio::test]
    async fn what_is_too_long_is_in_nobodys_way() {
        let long = "X-A:b\r\n".repeat(1000);
        let zone = format!("BEGIN:VTIMEZONE\r\nTZID:Z\r\n{}END:VTIMEZONE\r\n", "X-A:b\r\n".repeat(50_000));
        let named = event("c", "DTSTART;TZID=Z:20260101T000000\r\n");
        let all = objects(stream(&(zone + &event("a", &long) + &event("b", "") + &named)), ALL).await;
        assert_eq!(all[0][0], Err("it is too long"));
        assert!(all[0][1].is_ok() && all[0][2].as_ref().is_ok_and(|text| !text.contains("VTIMEZONE")));
    }

    #[tokio::test]
    async fn a_time_zone_is_not_multiplied_without_end() {
        let zone = format!("BEGIN:VTIMEZONE\r\nTZID:Z\r\n{}END:VTIMEZONE\r\n", "X-A:b\r\n".repeat(1000));
        let named: String =
            (0..100).map(|number| event(&number.to_string(), "DTSTART;TZID=Z:20260101T000000\r\n")).collect();
        let text = stream(&(zone.clone() + &named + &event("plain", "")));
        let made = async |added| {
            let most = Slice { objects: 500, longest: 10_000, added, ..ALL };
            let all = objects(text.clone(), most).await.concat();
            assert!(all.last().unwrap().is_ok(), "what names none is in nobody's way");
            let count = all.iter().filter(|one| one.is_ok()).count();
            let why = all.iter().find_map(|one| one.clone().err());
            (count, why)
        };
        let few = (3 * text.len() / zone.len(), Some("its time zones are too long for so many events"));
        let (count, why) = made(0).await;
        assert!(why == few.1 && count.abs_diff(few.0) <= 1, "{count} {few:?} {why:?}");
        assert_eq!(made(101 * zone.len() as u64).await, (101, None));
    }

    #[tokio::test]
    async fn a_stream_of_nothing_but_beginnings_is_refused_before_it_fills_the_memory() {
        let text = "BEGIN:VCALENDAR\n".to_owned() + &"BEGIN:VEVENT\nEND:VEVENT\n".repeat(1_000_000);
        let refused = Stream::of(text.into()).await.err().unwrap();
        assert_eq!(refused.code(), "too_large");
    }

    #[test]
    fn who_sends_little_is_waited_for_at_the_beginning_only() {
        let grace = Duration::from_mins(1);
        let slow = |seconds, octets| is_slow(Duration::from_secs(seconds), octets, grace);
        assert!(!slow(59, 0) && slow(61, 0) && slow(61, 60 * SLOWEST) && !slow(61, 61 * SLOWEST));
    }
}

//! The calendar room: iCalendar objects, what they mean, and when they happen. Pure, synchronous, without I/O; the only
//! room that names `icalendar` and (but for a clock) `jiff`.

pub mod access;
mod alarm;
pub mod calendar;
pub mod changes;
mod clock;
pub mod collation;
mod decode;
pub mod edit;
pub mod erase;
mod evaluated;
mod expand;
pub mod feed;
pub mod filter;
pub mod freebusy;
pub mod gather;
pub mod index;
pub mod jcal;
mod line;
pub mod matches;
pub mod merge;
pub mod occurrence;
pub mod personal;
pub mod pieces;
pub mod recur;
pub mod redact;
pub mod select;
mod series;
pub mod split;
pub mod text;
mod typed;
mod undated;
pub mod valid;
pub mod value;
mod vtimezone;
mod windows;
mod write;
pub mod xcal;
pub mod zone;

pub use access::Access;
pub use calendar::{Calendar, Component, Parameter, Property};
pub use collation::{Collation, MatchKind, TextMatch};
pub use filter::{
    CompFilter, CompTest, Filter, ParamFilter, ParamTest, PropFilter, PropTest, TimeRange, ValueTest,
};
pub use index::{ALWAYS, index};
pub use matches::matches;
pub use merge::{Merge, Syntax};
pub use occurrence::{Occurrence, occurrences};
pub use recur::{Budget, Exhausted};
pub use select::{CompSelection, PropSelection, Recurrence, Selection, select};
pub use split::Split;
pub use text::Invalid;
pub use typed::Unreadable;
pub use valid::{Fault, Limits, Object, Place, object};
pub use value::{DateValue, Duration, parse_moment, parse_utc, utc_stamp};
pub use vtimezone::{definition, vtimezone};
pub use zone::Zone;

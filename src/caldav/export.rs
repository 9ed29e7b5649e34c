//! A whole calendar as one object: what `?export` asks of it, and how its rows become that (RFC 5545 §3.4; the words are
//! those of sabre/dav).

use bytes::Bytes;
use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};

use crate::{
    dav::{Cx, Refusal, Result, condition::MAX_INSTANCES, prop::Facts, seen, stream::Growing},
    db::{Row, Rows},
    ical::{self, Budget, CompFilter, CompTest, Filter, Merge, Recurrence, Selection, TimeRange, Zone},
    model::{Component, Components},
    store::{
        Calendar, Lens, Object,
        object::{Candidates, Read, Which, With, read_candidate},
    },
    xml::{Name, parse},
};

use super::{
    form::Form,
    quarantine,
    reports::{
        BUDGET,
        range::{self, FOREVER},
    },
    timezones::Timezones,
};

/// What is asked of a calendar.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Export {
    start: Option<i64>,
    end: Option<i64>,
    expand: bool,
    kind: Option<Component>,
    access: bool,
    /// The form, where the query names one.
    pub form: Option<Form>,
}

impl Export {
    /// What a query asks; without `export` in it, nothing but the whole.
    pub fn of(query: &str) -> std::result::Result<Self, Refusal> {
        let pairs = || query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let mut export = Self::default();
        if !pairs().any(|(name, _)| name == "export") {
            return Ok(export);
        }
        for (name, value) in pairs() {
            let value = percent_decode_str(value).decode_utf8_lossy();
            match name {
                "start" => export.start = Some(time(&value)?),
                "end" => export.end = Some(time(&value)?),
                "expand" => export.expand = value == "1",
                "componentType" => export.kind = Some(kind(&value)?),
                // Ours: what is shown to others is cut by it.
                "access" => export.access = value == "1",
                "accept" => export.form = Some(form(&value)?),
                _ => {}
            }
        }
        match (export.start, export.end) {
            (Some(start), Some(end)) if end <= start => {
                Err(Refusal::bad_request("the export ends after its start"))
            }
            (None, _) | (_, None) if export.expand => {
                Err(Refusal::bad_request("to expand takes a start and an end"))
            }
            _ => Ok(export),
        }
    }

    /// Whether it is to be shown to others by who keeps the calendar.
    pub fn is_for_others(&self) -> bool {
        self.access
    }

    /// The objects that it is about, as rows, and what becomes of them.
    pub async fn rows(
        &self,
        cx: &Cx,
        calendar: &Calendar,
        merge: Merge,
    ) -> Result<(Rows<'static>, Exporting)> {
        let merge = if self.access { merge.telling_access() } else { merge };
        let window = self.start.unwrap_or(FOREVER.start)..self.end.unwrap_or(FOREVER.end);
        let timed = self.start.is_some() || self.end.is_some();
        let (zones, lens) = (Timezones::of(&cx.headers), seen::of(cx, calendar));
        if !timed && self.kind.is_none() {
            let (rows, read) = seen::members(cx, calendar, Which::All, &With::body()).await?;
            return Ok((rows, Exporting { merge, zones, part: None, cx: cx.clone(), lens, read }));
        }
        let zone = if timed { range::own_zone(cx, calendar).await? } else { Zone::utc() };
        let kinds: Components = match self.kind {
            Some(kind) => Components::default().with(kind),
            None => Component::ALL.into_iter().collect(),
        };
        let floating = range::floating(&window, &zone);
        let of = Candidates {
            kinds,
            window: timed.then(|| (window.clone(), floating)),
            uid: None,
            with: With::body(),
        };
        let rows = seen::candidates(cx, calendar, &of).await?;
        let expand = Recurrence::Expand(window);
        let selection = Selection { recurrence: self.expand.then_some(expand), ..Selection::default() };
        let range = timed.then_some(TimeRange { start: self.start, end: self.end });
        let part = Part { range, selection, zone, budget: Budget::new(BUDGET) };
        let read = read_any as Read;
        Ok((rows, Exporting { merge, zones, part: Some(part), cx: cx.clone(), lens, read }))
    }
}

/// Seconds since 1970, as sabre/dav has it, or a stamp in UTC.
fn time(text: &str) -> std::result::Result<i64, Refusal> {
    let seconds = text.parse().ok().filter(|seconds| FOREVER.contains(seconds));
    let read = seconds.or_else(|| ical::parse_utc(text));
    read.ok_or_else(|| {
        Refusal::bad_request(format!("{text:?} is no time, as 1795248000 or 20261121T080000Z"))
    })
}

fn kind(text: &str) -> std::result::Result<Component, Refusal> {
    let known = [Component::Vevent, Component::Vtodo, Component::Vjournal];
    let kind = known.into_iter().find(|kind| kind.name() == text);
    kind.ok_or_else(|| Refusal::bad_request("componentType is VEVENT, VTODO or VJOURNAL"))
}

fn form(text: &str) -> std::result::Result<Form, Refusal> {
    let short = match text {
        "ical" => Some(Form::Ical),
        "jcal" => Some(Form::Jcal),
        "xcal" => Some(Form::Xcal),
        media => Form::of_type(media),
    };
    short.ok_or_else(|| Refusal::bad_request("accept is ical, jcal, xcal or one of their media types"))
}

/// What people call a calendar, and its color.
pub struct Look {
    name: Option<String>,
    color: Option<String>,
}

impl Look {
    /// That of the calendar that has these facts.
    pub fn of(facts: &Facts) -> Self {
        let text = |name: Name| {
            let property = facts.stored.iter().find(|p| p.name == name)?;
            let text = parse(property.value.as_bytes()).ok()?.text().trim().to_owned();
            Some(text).filter(|text| !text.is_empty())
        };
        Self { name: text(Name::dav("displayname")), color: text(Name::apple("calendar-color")) }
    }

    /// The beginning of the object, in that form.
    pub fn merge(&self, form: Form) -> Merge {
        Merge::new(form.syntax(), self.name.as_deref(), self.color.as_deref())
    }

    /// The tag of what `export` makes of the calendar in that state: what it is made of besides follows the plus.
    pub fn tag(&self, state: &str, export: &Export, form: Form) -> String {
        // All of it in its own form is what DAV:getetag tells of; the name and the color are part of the state.
        if *export == Export::default() && form == Form::Ical {
            return state.to_owned();
        }
        let hash = Sha256::digest(format!("{:?} {:?} {export:?} {form:?}", self.name, self.color));
        let short = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
        format!("{state}+{short:08x}")
    }
}

/// Which part of the objects is exported.
struct Part {
    range: Option<TimeRange>,
    selection: Selection,
    zone: Zone,
    budget: Budget,
}

/// An export in the making.
pub struct Exporting {
    merge: Merge,
    zones: Timezones,
    part: Option<Part>,
    cx: Cx,
    lens: Lens,
    read: Read,
}

fn read_any(row: &Row) -> std::result::Result<Object, crate::db::Error> {
    read_candidate(row).map(|candidate| candidate.object)
}

impl Part {
    /// Adds what is asked for of a candidate.
    fn add(&self, object: &Object, open: bool, zones: Timezones, merge: &mut Merge) -> Result<()> {
        let Some(calendar) = read(object, zones) else { return Ok(()) };
        let kind = object.component.iter().next();
        // The index knows when events happen; of the others it has only the bounds.
        let known = kind == Some(Component::Vevent) && !open;
        if let (Some(range), Some(kind), false) = (&self.range, kind, known) {
            let filter = within(kind, *range);
            if !ical::matches(&calendar, &filter, &self.zone, &self.budget).map_err(|_| MAX_INSTANCES)? {
                return Ok(());
            }
        }
        if self.selection.is_whole() {
            merge.add(&calendar);
            return Ok(());
        }
        let selected = ical::select(&calendar, &self.selection, &self.zone, &self.budget);
        if let Ok(calendar) = ical::Calendar::parse(selected.map_err(|_| MAX_INSTANCES)?.into()) {
            merge.add(&calendar);
        }
        Ok(())
    }
}

/// An object with the definitions of time zones that the client wants; none if it cannot be read any more.
fn read(object: &Object, zones: Timezones) -> Option<ical::Calendar> {
    let calendar = quarantine::read(object).ok()?;
    let changed = zones.change(calendar.bytes()).and_then(|octets| ical::Calendar::parse(octets).ok());
    Some(changed.unwrap_or(calendar))
}

/// The filter of objects of a kind that have to do with a window.
fn within(kind: Component, range: TimeRange) -> Filter {
    let filter = |name: &str, time_range, comps| CompFilter {
        name: name.to_owned(),
        test: CompTest::Defined { time_range, props: Vec::new(), comps },
    };
    Filter(filter("VCALENDAR", None, vec![filter(kind.name(), Some(range), Vec::new())]))
}

impl Growing for Exporting {
    fn row(&mut self, row: &Row) -> Result<()> {
        let Some(object) = seen::of_row(&self.cx, self.lens, (self.read)(row)?, row)? else { return Ok(()) };
        if let Some(part) = &self.part {
            return part.add(&object, row.at("open")?, self.zones, &mut self.merge);
        }
        if let Some(object) = read(&object, self.zones) {
            self.merge.add(&object);
        }
        Ok(())
    }

    fn written(&self) -> usize {
        self.merge.len()
    }

    fn take(&mut self) -> Bytes {
        self.merge.take().into()
    }

    fn finish(self) -> Result<Bytes> {
        Ok(self.merge.finish().into())
    }
}

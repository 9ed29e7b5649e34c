//! The forms of calendar data on the wire: what they are called, and which of them a client would like (RFC 5545, RFC 7265,
//! RFC 6321; RFC 9110 §12.5.1).

use bytes::Bytes;

use crate::{
    dav::{
        Refusal,
        condition::{SUPPORTED_CALENDAR_DATA, VALID_CALENDAR_DATA},
    },
    front::{HeaderMap, Status, header, thousandths},
    ical::{Calendar, Syntax, jcal, xcal},
};

/// A form of calendar data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// iCalendar, as it is stored.
    Ical,
    /// jCal.
    Jcal,
    /// xCal.
    Xcal,
}

/// How a form is spoken of.
struct Row {
    form: Form,
    media: &'static str,
    content_type: &'static str,
    /// What an entity tag has behind that of the stored octets.
    mark: &'static str,
}

/// The forms, the dearest first.
const FORMS: [Row; 3] = [
    Row { form: Form::Ical, media: "text/calendar", content_type: "text/calendar; charset=utf-8", mark: "" },
    Row {
        form: Form::Jcal,
        media: "application/calendar+json",
        content_type: "application/calendar+json",
        mark: "+jcal",
    },
    Row {
        form: Form::Xcal,
        media: "application/calendar+xml",
        content_type: "application/calendar+xml; charset=utf-8",
        mark: "+xcal",
    },
];

/// The version of iCalendar whose forms these are.
pub const VERSION: &str = "2.0";

impl Form {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        FORMS.iter().map(|row| row.form)
    }

    /// The form of that media type, whatever its parameters.
    pub fn of_type(media: &str) -> Option<Self> {
        let media = media.split(';').next().unwrap_or_default().trim();
        FORMS.iter().find(|row| row.media.eq_ignore_ascii_case(media)).map(|row| row.form)
    }

    /// The form of what a request brings; iCalendar where it does not say.
    pub fn given(headers: &HeaderMap) -> Result<Self, Refusal> {
        let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(Self::Ical) };
        let form = Self::of_type(value.to_str().unwrap_or_default());
        form.ok_or_else(|| SUPPORTED_CALENDAR_DATA.into())
    }

    /// The forms that the client takes, the most wanted first; all where it does not say.
    pub fn accepted(headers: &HeaderMap) -> Vec<Self> {
        let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let ranges: Vec<Range<'_>> = values.flat_map(|value| value.split(',')).filter_map(range).collect();
        if ranges.is_empty() {
            return Self::all().collect();
        }
        let mut wanted: Vec<(u16, Self)> = FORMS
            .iter()
            .filter_map(|row| Some((weight(&ranges, row.media)?, row.form)))
            .filter(|(weight, _)| *weight > 0)
            .collect();
        // Of equal ones the order stays.
        wanted.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
        wanted.into_iter().map(|(_, form)| form).collect()
    }

    /// How many objects are put into one in this form.
    pub fn syntax(self) -> Syntax {
        match self {
            Self::Ical => Syntax::Ical,
            Self::Jcal => Syntax::Jcal,
            Self::Xcal => Syntax::Xcal,
        }
    }

    /// Its media type.
    pub fn media(self) -> &'static str {
        self.row().media
    }

    /// Its media type as answers carry it.
    pub fn content_type(self) -> &'static str {
        self.row().content_type
    }

    /// The entity tag of this form of the octets that have `etag`, with quotes: other octets, so another tag.
    pub fn tag(self, etag: &str) -> String {
        format!("{etag}{}", self.row().mark)
    }

    /// The octets in this form; none where it cannot hold them, or where they cannot be read any more.
    pub fn write(self, body: &Bytes) -> Option<Bytes> {
        let read = || Calendar::parse(body.clone()).ok();
        match self {
            Self::Ical => Some(body.clone()),
            Self::Jcal => Some(jcal::write(&read()?).into()),
            Self::Xcal => Some(xcal::write(&read()?)?.into()),
        }
    }

    /// What octets of this form are as iCalendar.
    pub fn read(self, octets: Bytes) -> Result<Calendar, Refusal> {
        match self {
            Self::Ical => Calendar::parse(octets).map_err(|fault| fault.to_string()),
            Self::Jcal => jcal::read(&octets).map_err(|fault| fault.to_string()),
            Self::Xcal => xcal::read(&octets).map_err(|fault| fault.to_string()),
        }
        .map_err(|why| VALID_CALENDAR_DATA.because(why))
    }

    fn row(self) -> &'static Row {
        &FORMS[self as usize]
    }
}

/// Nothing of what the client takes can be given.
pub fn not_acceptable() -> Refusal {
    let names: Vec<&str> = Form::all().map(Form::media).collect();
    Refusal::plain(Status::NOT_ACCEPTABLE, format!("calendar data comes as {}", names.join(", ")))
}

/// A media range, in small letters, and its weight in thousandths.
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    weight: u16,
}

fn range(text: &str) -> Option<Range<'_>> {
    let mut parts = text.split(';').map(str::trim);
    let (kind, subtype) = parts.next()?.split_once('/').filter(|(a, b)| !a.is_empty() && !b.is_empty())?;
    let q =
        parts.find_map(|part| part.split_once('=').filter(|(name, _)| name.trim().eq_ignore_ascii_case("q")));
    let weight = q.map_or(Some(1000), |(_, value)| thousandths(value.trim()))?;
    Some(Range { kind, subtype, weight })
}

/// What the range that says most of this type gives it.
fn weight(ranges: &[Range<'_>], media: &str) -> Option<u16> {
    let (kind, subtype) = media.split_once('/')?;
    let says = |range: &Range<'_>| {
        if range.kind == "*" && range.subtype == "*" {
            Some(0)
        } else if !range.kind.eq_ignore_ascii_case(kind) {
            None
        } else if range.subtype == "*" {
            Some(1)
        } else {
            range.subtype.eq_ignore_ascii_case(subtype).then_some(2)
        }
    };
    let said = ranges.iter().filter_map(|range| Some((says(range)?, range.weight)));
    said.max().map(|(_, weight)| weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_the_order_of_the_forms() {
        assert!(Form::all().all(|form| form.row().form == form));
    }

    #[test]
    fn the_client_says_which_it_would_like() {
        use Form::{Ical, Jcal, Xcal};
        let all: &[Form] = &[Ical, Jcal, Xcal];
        for (accept, wanted) in [
            ("", all),
            ("*/*", all),
            ("text/*", &[Ical]),
            ("Application/Calendar+JSON", &[Jcal]),
            ("application/calendar+xml;charset=utf-8", &[Xcal]),
            ("application/*", &[Jcal, Xcal]),
            ("application/calendar+xml, */*;q=0.1", &[Xcal, Ical, Jcal]),
            ("text/calendar;q=0.5, application/calendar+json", &[Jcal, Ical]),
            ("text/calendar;q=0, */*", &[Jcal, Xcal]),
            ("*/*;q=0", &[]),
            ("text/html", &[]),
            ("text/calendar;q=2", all),
            ("nonsense", all),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
            assert_eq!(Form::accepted(&headers), wanted, "{accept}");
        }
    }
}

//! The form of a log line: `time level id peer user method path status ms bytes msg`, or the same as JSON.

use std::fmt::{self, Write as _};
use std::io;

use serde::ser::{SerializeMap, Serializer as _};
use serde_json::ser::{Formatter, Serializer};
use tracing::Level;
use tracing::field::{Field, Visit};

use crate::config::LogFormat;

/// The fields every line has a place for, in that order.
const PLACES: [&str; 8] = ["id", "peer", "user", "method", "path", "status", "ms", "bytes"];

/// Those of them that are numbers in JSON.
const NUMBERS: [&str; 3] = ["status", "ms", "bytes"];

/// What an event and the spans around it have said.
#[derive(Clone, Default)]
pub(super) struct Fields {
    placed: [Option<String>; PLACES.len()],
    others: Vec<(&'static str, String)>,
    message: String,
}

impl Fields {
    /// Adds what an outer span has said.
    pub(super) fn take_from(&mut self, outer: &Self) {
        for (mine, theirs) in self.placed.iter_mut().zip(&outer.placed) {
            if theirs.is_some() {
                mine.clone_from(theirs);
            }
        }
        self.others.extend(outer.others.iter().cloned());
    }

    /// The line, with its end.
    pub(super) fn render(&self, format: LogFormat, level: Level) -> String {
        let time = jiff::Timestamp::now();
        // Writing to memory does not fail.
        match format {
            LogFormat::Line => self.plain(time, level).unwrap_or_default(),
            LogFormat::Json => self.json(time, level).unwrap_or_default(),
        }
    }

    fn plain(&self, time: jiff::Timestamp, level: Level) -> Result<String, fmt::Error> {
        let mut text = String::with_capacity(256);
        let line = &mut text;
        write!(line, "{time:.3} {level}")?;
        for value in &self.placed {
            line.push(' ');
            word(line, value.as_deref())?;
        }
        line.push(' ');
        for character in self.message.chars() {
            if character == ' ' { line.push(' ') } else { plain(line, character)? }
        }
        for (name, value) in &self.others {
            write!(line, " {name}=")?;
            word(line, Some(value))?;
        }
        line.push('\n');
        Ok(text)
    }

    /// The same as JSON, in the same order.
    fn json(&self, time: jiff::Timestamp, level: Level) -> serde_json::Result<String> {
        let mut octets = Vec::with_capacity(256);
        let mut serializer = Serializer::with_formatter(&mut octets, Plain);
        let mut line = serializer.serialize_map(None)?;
        line.serialize_entry("time", &format_args!("{time:.3}"))?;
        line.serialize_entry("level", &format_args!("{level}"))?;
        let placed =
            PLACES.iter().zip(&self.placed).filter_map(|(name, value)| Some((*name, value.as_ref()?)));
        let others = self.others.iter().map(|(name, value)| (*name, value));
        for (name, value) in placed.chain([("msg", &self.message)]).chain(others) {
            match value.parse::<u64>() {
                Ok(number) if NUMBERS.contains(&name) => line.serialize_entry(name, &number)?,
                _ => line.serialize_entry(name, value)?,
            }
        }
        line.end()?;
        octets.push(b'\n');
        String::from_utf8(octets).map_err(serde::ser::Error::custom)
    }

    fn set(&mut self, field: &Field, value: String) {
        if field.name() == "message" {
            self.message = value;
        } else if let Some(place) = PLACES.iter().position(|name| *name == field.name()) {
            self.placed[place] = Some(value);
        } else {
            self.others.push((field.name(), value));
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value.to_owned());
    }
}

/// A value that can be cut out of the line at its spaces; a hyphen stands for none, and for nothing else.
fn word(line: &mut String, value: Option<&str>) -> fmt::Result {
    match value {
        None | Some("") => line.write_char('-'),
        Some("-") => line.write_str("\\u{2d}"),
        Some(value) => value.chars().try_for_each(|character| plain(line, character)),
    }
}

fn plain(line: &mut String, character: char) -> fmt::Result {
    if character == '"' || character == '\\' || character.is_whitespace() || is_deceptive(character) {
        write!(line, "\\u{{{:x}}}", u32::from(character))
    } else {
        line.write_char(character)
    }
}

/// JSON in which no character deceives whoever looks at it in a terminal.
struct Plain;

impl Formatter for Plain {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, text: &str) -> io::Result<()> {
        let mut rest = text;
        while let Some((at, character)) = rest.char_indices().find(|(_, character)| is_deceptive(*character))
        {
            writer.write_all(&rest.as_bytes()[..at])?;
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = &rest[at + character.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }
}

/// Characters that move the cursor, turn the direction of writing or are not seen.
fn is_deceptive(character: char) -> bool {
    character.is_control()
        || matches!(u32::from(character),
            0xad | 0x61c | 0x180e | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff | 0xfff9..=0xfffb
            | 0xe0000..=0xe007f)
}

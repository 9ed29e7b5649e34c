//! What people have, written into folders: one a person, in it one a calendar, in it one file an object, octet for octet,
//! and beside them what else there is of the calendar. An import of it makes the same again.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use anyhow::{Context, Result};
use futures_util::StreamExt;
use serde_json::{Map, Value, json};

use crate::{
    caldav::import::fingerprint,
    db::Pool,
    model::Kind,
    store::{
        Calendar, Principal, Subject, Viewer, ace, calendar, invite,
        object::{self, Which, With},
        property,
    },
};

use super::keep::{self, FORMAT};
use super::tree::Look;

/// What is beside the objects of a calendar, and what is in the folder of a person.
pub const CALENDAR: &str = "calendar.json";
/// What is in the folder of a person.
pub const PERSON: &str = "person.json";
/// Files of a calendar that are no objects; the last two are vdirsyncer's.
const OTHERS: [&str; 3] = [CALENDAR, "displayname", "color"];

/// How much was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Calendars and subscriptions.
    pub calendars: u64,
    /// Objects.
    pub objects: u64,
}

/// Writes all calendars that a person keeps into a new folder.
pub async fn person(pool: &Pool, who: &Principal, folder: &Path) -> Result<Sum> {
    make(folder)?;
    let viewer = Viewer::of(who.clone());
    let home = property::of(pool, Subject::home(who.id)).await?;
    let list = ace::of(pool, who.id, 0).await?;
    let told = json!({
        (FORMAT.0): FORMAT.1, "name": who.name, "display_name": who.display_name, "email": who.email,
        "subject": who.subject, "groups": who.told, "properties": keep::properties(&home), "list": keep::aces(&list),
    });
    write(&folder.join(PERSON), &pretty(&told)?)?;
    let mut sum = Sum::default();
    for calendar in calendar::all(pool, &viewer, who.id, false).await? {
        let kept = matches!(calendar.kind, Kind::Calendar | Kind::Subscribed) && calendar.bound.is_none();
        if kept {
            sum.objects += whole(pool, &calendar, &folder.join(file_of(&calendar.name))).await?;
            sum.calendars += 1;
        }
    }
    Ok(sum)
}

async fn whole(pool: &Pool, calendar: &Calendar, folder: &Path) -> Result<u64> {
    make(folder)?;
    let stored = property::of(pool, Subject::calendar(calendar)).await?;
    let list = ace::of(pool, calendar.home_id, calendar.id).await?;
    let own: Vec<_> = list.into_iter().filter(|ace| ace.calendar_id == calendar.id).collect();
    let invites = invite::of(pool, &[calendar.kept()]).await?;
    let invites: Vec<_> = invites.into_iter().map(|(_, invite)| invite).collect();
    let (mut names, mut count) = (Map::new(), 0);
    let mut rows = object::stream(pool, calendar, Which::All, &With::body()).await?;
    while let Some(row) = rows.next().await {
        let object = object::read_whole(&row?)?;
        let file = file_of(&object.name);
        write(&folder.join(&file), &object.body.unwrap_or_default())?;
        if file != object.name {
            names.insert(file, Value::String(object.name));
        }
        count += 1;
    }
    let look = Look::of(&stored);
    for (name, text) in [("displayname", &look.name), ("color", &look.color)] {
        if let Some(text) = text {
            write(&folder.join(name), text.as_bytes())?;
        }
    }
    let told = json!({
        (FORMAT.0): FORMAT.1, "name": calendar.name, "subscription": calendar.kind == Kind::Subscribed,
        "components": keep::components(calendar.components), "properties": keep::properties(&stored),
        "list": keep::aces(&own), "invites": keep::invites(&invites), "names": names,
    });
    write(&folder.join(CALENDAR), &pretty(&told)?)?;
    Ok(count)
}

/// The name of the file or folder for what has that name: the same, where a file can have it.
#[must_use]
pub fn file_of(name: &str) -> String {
    let odd = name.is_empty()
        || name.len() > 255
        || name.starts_with('.')
        || name.chars().any(|c| c == '/' || c.is_control())
        || OTHERS.contains(&name)
        || name == PERSON;
    if odd { format!("{}.ics", fingerprint(name)) } else { name.to_owned() }
}

/// Makes a folder, which its owner alone may read.
pub fn make(folder: &Path) -> Result<()> {
    DirBuilder::new().mode(0o700).create(folder).with_context(|| folder.display().to_string())
}

/// Writes a new file, which its owner alone may read.
pub fn write(path: &Path, octets: &[u8]) -> Result<()> {
    let new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file: BufWriter<File> = BufWriter::new(new.with_context(|| path.display().to_string())?);
    file.write_all(octets).and_then(|()| file.flush()).with_context(|| path.display().to_string())
}

/// JSON for people.
pub fn pretty(value: &Value) -> Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_called_as_the_object_where_it_can_be() {
        for plain in ["a.ics", "frédéric@x.ics", "a%2Fb"] {
            assert_eq!(file_of(plain), plain);
        }
        for odd in ["calendar.json", "person.json", "color", ".ics", "a\nb", ""] {
            assert!(
                file_of(odd) != odd && file_of(odd) == file_of(odd) && !file_of(odd).starts_with('.'),
                "{odd}"
            );
        }
    }
}

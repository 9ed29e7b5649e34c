//! What `DAViCal` keeps in its database. The twin of sql/import/davical.sql.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::{
    model::{Component, Components},
    store::Answer,
};

use super::{
    base::{Base, Key, Line},
    shelf::{Level, Person, Share, Shelf, To, Told},
    tree::Look,
};

crate::queries!("import/davical.sql":
    PEOPLE = "people",
    CALENDARS = "calendars",
    OBJECTS = "objects",
    SUBSCRIPTIONS = "subscriptions",
    GRANTS = "grants",
    HOME_GRANTS = "home_grants",
);

/// Tables that it is known by.
pub const TABLES: [&str; 5] = ["usr", "principal", "collection", "caldav_data", "grants"];
/// Groups among its principals.
const GROUP: i64 = 3;
/// Bits of its privileges: DAV:read, DAV:write-content, DAV:bind, DAV:write-acl, CALDAV:read-free-busy.
const BITS: [i64; 5] = [1, 4, 64, 256, 512];

/// Reads everybody, or whoever is called `only` there; whether there was somebody.
pub async fn read(
    base: &Base,
    tables: &BTreeSet<String>,
    only: Option<&str>,
    shelf: &mut Shelf<'_>,
) -> Result<bool> {
    let mut any = false;
    for line in base.all(&PEOPLE, Key::All).await? {
        let (Some(id), Some(name)) = (line.number("principal_id"), line.text("username")) else { continue };
        if only.is_some_and(|only| only != name) {
            continue;
        }
        any = true;
        let delegates = base.all(&HOME_GRANTS, Key::Number(id)).await?.iter().filter_map(share).collect();
        let person =
            Person { name, display_name: line.text("displayname"), email: line.text("email"), delegates };
        let Some(mut home) = shelf.person(&person)? else { continue };
        for line in base.all(&CALENDARS, Key::Number(id)).await? {
            let Some(collection) = line.number("collection_id") else { continue };
            let shares = base.all(&GRANTS, Key::Number(collection)).await?.iter().filter_map(share).collect();
            let told = Told { shares, ..described(&line) };
            let mut book = shelf.calendar(&mut home, &told)?;
            let take = |line: Line| {
                let name = last(&line.text("dav_name").unwrap_or_default()).to_owned();
                if let Some(octets) = line.octets("caldav_data") {
                    return book.object(&name, None, &octets);
                }
                shelf.problem(&format!("{}/{}/{name}: it has no data", person.name, told.name));
                Ok(())
            };
            base.each(&OBJECTS, Key::Number(collection), take).await?;
            book.close()?;
        }
        if tables.contains("dav_binding") {
            for line in base.all(&SUBSCRIPTIONS, Key::Number(id)).await? {
                let told = Told { source: line.text("external_url"), ..described(&line) };
                shelf.calendar(&mut home, &told)?.close()?;
            }
        }
        home.close()?;
    }
    Ok(any)
}

/// The last part of a path.
fn last(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

fn described(line: &Line) -> Told {
    // The element as it was sent.
    let told = line.text("components").unwrap_or_default();
    let kinds: Components = told.split(['"', '\'']).skip(1).step_by(2).filter_map(Component::named).collect();
    Told {
        name: last(&line.text("dav_name").unwrap_or_default()).to_owned(),
        look: Look {
            name: line.text("dav_displayname"),
            color: line.text("color"),
            description: line.text("description"),
            order: line.text("place"),
        },
        transparent: line.text("schedule_transp").is_some_and(|kind| kind.starts_with("transp")),
        components: (!kinds.is_empty()).then_some(kinds),
        ..Told::default()
    }
}

fn share(line: &Line) -> Option<Share> {
    let bits = line.number("bits")?;
    let [read, write, bind, decide, busy] = BITS.map(|bit| bits & bit != 0);
    let level = match () {
        () if read && (write || bind) && decide => Level::Manage,
        () if read && (write || bind) => Level::Write,
        () if read => Level::Read,
        () if busy => Level::FreeBusy,
        () => return None,
    };
    let name = line.text("username")?;
    let group = line.number("type_id") == Some(GROUP);
    let to = if group { To::Group(name) } else { To::Person(name) };
    Some(Share { to, called: line.text("displayname"), answer: Answer::Accepted, level })
}

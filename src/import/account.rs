//! An account on another CalDAV server: how its calendars are found (RFC 6764 §6, RFC 4791 §6.2.1), what is told of them, and
//! how all of it is fetched.

use std::path::Path;

use anyhow::{Result, bail};
use futures_util::{StreamExt, stream};

use crate::{
    model::{Component, Components},
    store::Answer,
    xml::{Element, Name},
};

use super::{
    conversation::{Conversation, Leash, Resource, may_follow},
    place::Place,
    shelf::{Book, Home, Level, Person, Share, Shelf, To, Told},
    tree::Look,
};

/// Objects that are fetched at once.
const AT_ONCE: usize = 6;
/// Homes of one account.
const MOST_HOMES: usize = 16;
/// Where discovery begins, if what is typed leads nowhere (RFC 6764 §5).
const WELL_KNOWN: &str = "/.well-known/caldav";

const WHO: &str = r#"<propfind xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><prop><resourcetype/><current-user-principal/><principal-URL/><C:calendar-home-set/></prop></propfind>"#;
const WHAT: &str = r#"<propfind xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:CS="http://calendarserver.org/ns/" xmlns:A="http://apple.com/ns/ical/" xmlns:OC="http://owncloud.org/ns"><prop><resourcetype/><displayname/><C:calendar-description/><A:calendar-color/><A:calendar-order/><C:supported-calendar-component-set/><C:schedule-calendar-transp/><CS:source/><CS:invite/><OC:invite/><OC:owner-principal/><current-user-principal/></prop></propfind>"#;
const WHICH: &str =
    r#"<propfind xmlns="DAV:"><prop><resourcetype/><getetag/><getcontenttype/></prop></propfind>"#;

/// The account.
pub struct Account<'a> {
    /// Where it is, as somebody typed it.
    pub url: &'a str,
    /// Who signs in.
    pub login: &'a str,
    /// With what.
    pub password: &'a str,
    /// Authorities to trust instead of the system's.
    pub ca: &'a Path,
}

/// What a place says of who is asking.
#[derive(Default)]
struct Who {
    calendar: bool,
    principal: Option<Place>,
    homes: Vec<Place>,
}

/// Fetches all calendars of an account, as those of that person.
pub async fn fetch(account: &Account<'_>, who: &Person, shelf: &mut Shelf<'_>) -> Result<()> {
    let (start, named) = Place::typed(account.url)?;
    let login = named.as_deref().unwrap_or(account.login);
    let mut server = Conversation::new(login, account.password, account.ca);
    let mut found = Vec::new();
    let places = discover(&mut server, &start).await?;
    for (place, depth) in &places {
        if place.origin() != start.origin() {
            shelf.note(&format!("The calendars are at {}.", place.origin()));
        }
        server.list(place, (depth, WHAT), Leash::Here, |resource| found.push(resource)).await?;
    }
    let Some(mut home) = shelf.person(who)? else { return Ok(()) };
    let (mut seen, mut any) = (Vec::new(), false);
    for Resource { place, prop } in found {
        let inside = places.iter().any(|(home, _)| place.is_in(home) || place.plain() == home.plain());
        if !inside || seen.contains(&place.plain()) {
            continue;
        }
        seen.push(place.plain());
        any |= calendar(&mut server, shelf, &mut home, (&place, &prop)).await?;
    }
    if !any {
        bail!("{} has no calendars at {}", login, start.origin());
    }
    home.close()
}

/// Where calendars are: homes, in which they lie, or a calendar itself, with the depth to ask for.
async fn discover(server: &mut Conversation, start: &Place) -> Result<Vec<(Place, &'static str)>> {
    let (mut fault, mut last) = (None, None);
    for start in [start.clone(), start.at(WELL_KNOWN)] {
        let (place, mut who) = match about(server, &start).await {
            Ok(told) => told,
            Err(error) => {
                fault = fault.or(Some(error));
                continue;
            }
        };
        if who.calendar {
            return Ok(vec![(place, "0")]);
        }
        if who.homes.is_empty()
            && let Some(principal) =
                who.principal.take().filter(|there| may_follow(&place, there, Leash::Anywhere))
        {
            let (_, told) = about(server, &principal).await?;
            who = told;
        }
        let homes = who.homes.into_iter().filter(|home| may_follow(&place, home, Leash::Anywhere));
        let homes: Vec<_> = homes.take(MOST_HOMES).map(|home| (home, "1")).collect();
        if !homes.is_empty() {
            return Ok(homes);
        }
        last = last.or(Some(place));
    }
    // A collection of calendars on a server that knows no homes.
    match (last, fault) {
        (Some(place), _) => Ok(vec![(place, "1")]),
        (None, Some(fault)) => Err(fault),
        (None, None) => bail!("{} answers nothing", start.origin()),
    }
}

async fn about(server: &mut Conversation, start: &Place) -> Result<(Place, Who)> {
    let mut who = Who::default();
    let place = server
        .list(start, ("0", WHO), Leash::Anywhere, |Resource { place, prop }| {
            let hrefs = |name| {
                let all = prop.child(name).into_iter().flat_map(|of: &Element| of.all(Name::dav("href")));
                all.filter_map(|href| place.leads(href.text()).ok()).collect::<Vec<_>>()
            };
            who.calendar |= is(&prop, Name::cal("calendar"));
            who.homes.extend(hrefs(Name::cal("calendar-home-set")));
            let principal = hrefs(Name::dav("current-user-principal")).into_iter().next();
            who.principal = who.principal.take().or(principal);
        })
        .await?;
    Ok((place, who))
}

fn is(prop: &Element, kind: Name) -> bool {
    prop.child(Name::dav("resourcetype")).is_some_and(|kinds| kinds.child(kind).is_some())
}

/// Fetches one calendar, or notes a subscription; what is none, or somebody else's, is passed over. Whether there was one.
async fn calendar(
    server: &mut Conversation,
    shelf: &mut Shelf<'_>,
    home: &mut Home,
    (place, prop): (&Place, &Element),
) -> Result<bool> {
    let told = described(place, prop);
    let subscribed = is(prop, Name::cs("subscribed"));
    if subscribed && told.source.is_some() {
        shelf.calendar(home, &told)?.close()?;
        return Ok(true);
    }
    // What is made of the birthdays in an address book is made anew by whoever has that.
    if subscribed || !is(prop, Name::cal("calendar")) || told.name == "contact_birthdays" {
        return Ok(false);
    }
    if is(prop, Name::cs("shared")) || is_of_another(place, prop) {
        shelf.note(&format!("{}: left out, it is somebody else's", told.name));
        return Ok(false);
    }
    let mut book = shelf.calendar(home, &Told { source: None, ..told })?;
    objects(server, shelf, &mut book, place).await?;
    book.close()?;
    Ok(true)
}

/// Whether the server says that another owns what is seen here.
fn is_of_another(place: &Place, prop: &Element) -> bool {
    let owner = prop.children().find(|child| &*child.name().local == "owner-principal");
    let me = prop.child(Name::dav("current-user-principal")).and_then(|me| me.child(Name::dav("href")));
    let (Some(owner), Some(me)) = (owner, me) else { return false };
    let me = place.leads(me.text()).map(|me| me.plain()).unwrap_or_default();
    let owner = owner.text().trim().trim_matches('/').to_owned();
    !owner.is_empty() && !me.ends_with(&format!("/{owner}"))
}

async fn objects(
    server: &mut Conversation,
    shelf: &mut Shelf<'_>,
    book: &mut Book,
    place: &Place,
) -> Result<()> {
    let mut members = Vec::new();
    let place = &server
        .list(place, ("1", WHICH), Leash::Here, |Resource { place, prop }| {
            let text = |name| prop.child(Name::dav(name)).map(|of| of.text().trim().to_owned());
            let other = text("getcontenttype")
                .is_some_and(|kind| !kind.is_empty() && !kind.starts_with("text/calendar"));
            if !is(&prop, Name::dav("collection")) && !other {
                members.push((place, text("getetag")));
            }
        })
        .await?;
    members.retain(|(member, _)| member.is_in(place));
    members.retain(|(member, tag)| tag.as_ref().is_none_or(|tag| !book.has(&member.name(), tag)));
    let fetcher = &server.fetcher(place)?;
    let fetch = async |(member, tag): (Place, Option<String>)| {
        let octets = fetcher.get(&member).await;
        (member, tag, octets)
    };
    let mut all = std::pin::pin!(stream::iter(members).map(fetch).buffer_unordered(AT_ONCE));
    while let Some((member, tag, octets)) = all.next().await {
        match octets? {
            Ok(octets) => book.object(&member.name(), tag.as_deref(), &octets)?,
            Err(Some(why)) => shelf.problem(&format!("{}{}: {why}", member.origin(), member.path)),
            // It was deleted meanwhile.
            Err(None) => {}
        }
    }
    Ok(())
}

/// What a calendar says of itself.
fn described(place: &Place, prop: &Element) -> Told {
    let text = |name| prop.child(name).map(|of: &Element| of.text().trim().to_owned());
    let kinds = prop.child(Name::cal("supported-calendar-component-set"));
    let kinds = kinds.into_iter().flat_map(|set| set.all(Name::cal("comp")));
    let kinds: Components = kinds.filter_map(|kind| Component::named(kind.attribute("name")?)).collect();
    let inside = |outer, inner| prop.child(outer).and_then(|of: &Element| of.child(inner));
    let invite = prop.children().filter(|child| &*child.name().local == "invite");
    let users = invite.flat_map(|invite| invite.children().filter(|child| &*child.name().local == "user"));
    Told {
        name: place.name(),
        look: Look {
            name: text(Name::dav("displayname")),
            color: text(Name::apple("calendar-color")),
            description: text(Name::cal("calendar-description")),
            order: text(Name::apple("calendar-order")),
        },
        transparent: inside(Name::cal("schedule-calendar-transp"), Name::cal("transparent")).is_some(),
        components: (!kinds.is_empty()).then_some(kinds),
        source: inside(Name::cs("source"), Name::dav("href")).map(|href| href.text().trim().to_owned()),
        shares: users.filter_map(share).collect(),
    }
}

/// Who is invited, and to what, in either vocabulary (caldav-sharing §5.2; that of ownCloud has the same names).
fn share(user: &Element) -> Option<Share> {
    let child =
        |of: &Element, local: &str| of.children().find(|child| &*child.name().local == local).cloned();
    let access = child(user, "access")?;
    let may = |local| child(&access, local).is_some();
    let level = match () {
        () if may("administrator") => Level::Manage,
        () if may("free-busy") => Level::FreeBusy,
        () if may("read-write") => Level::Write,
        () => Level::Read,
    };
    let answer = match () {
        () if child(user, "invite-declined").is_some() => Answer::Declined,
        () if child(user, "invite-noresponse").is_some() => Answer::None,
        () => Answer::Accepted,
    };
    let called = child(user, "common-name").map(|name| name.text().trim().to_owned());
    let to = addressed(user.child(Name::dav("href"))?.text().trim())?;
    Some(Share { to, called: called.filter(|name| !name.is_empty()), answer, level })
}

/// Whom the address of a sharee means.
#[must_use]
pub fn addressed(href: &str) -> Option<To> {
    let scheme = href.split_once(':').map(|(scheme, rest)| (scheme.to_ascii_lowercase(), rest));
    if let Some((_, rest)) = scheme.as_ref().filter(|(scheme, _)| scheme == "mailto") {
        let address = percent_encoding::percent_decode_str(rest.split('?').next()?).decode_utf8().ok()?;
        return Some(To::Address(address.to_lowercase())).filter(|_| !address.is_empty());
    }
    let path = scheme.map_or(href, |(_, rest)| rest).trim_end_matches('/');
    let (folder, last) = path.rsplit_once('/')?;
    let name = percent_encoding::percent_decode_str(last).decode_utf8().ok()?.into_owned();
    match folder.rsplit('/').next() {
        _ if name.is_empty() => None,
        Some("groups") => Some(To::Group(name)),
        // Of these nothing is known here.
        Some("circles" | "calendar-resources" | "calendar-rooms") => None,
        _ => Some(To::Person(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::parse;

    #[test]
    fn sharees_are_told_in_several_ways() {
        for (href, to) in [
            ("mailto:Bob%2Bx@Example.org?subject=a", Some(To::Address("bob+x@example.org".to_owned()))),
            ("principal:principals/users/bob", Some(To::Person("bob".to_owned()))),
            ("/dav/principals/b%40x/", Some(To::Person("b@x".to_owned()))),
            ("https://x.example/p/bob", Some(To::Person("bob".to_owned()))),
            ("principal:principals/groups/all%20staff", Some(To::Group("all staff".to_owned()))),
            ("/dav/principals/groups/staff/", Some(To::Group("staff".to_owned()))),
            ("principal:principals/circles/xyz", None),
            ("mailto:", None),
            ("", None),
        ] {
            assert_eq!(addressed(href), to, "{href}");
        }
    }

    #[test]
    fn a_calendar_says_what_it_is() {
        let prop = parse(
            b"<prop xmlns='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav' xmlns:O='http://owncloud.org/ns' xmlns:A='http://apple.com/ns/ical/'>\
              <displayname> Work </displayname><A:calendar-color>#ff0000</A:calendar-color>\
              <C:supported-calendar-component-set><C:comp name='VEVENT'/><C:comp name='X'/></C:supported-calendar-component-set>\
              <current-user-principal><href>/p/users/alice/</href></current-user-principal><O:owner-principal>users/alice</O:owner-principal>\
              <O:invite><O:user><href>principal:p/users/bob</href><O:common-name>Bob</O:common-name><O:invite-accepted/>\
              <O:access><O:read-write/></O:access></O:user><O:user/></O:invite></prop>",
        )
        .unwrap();
        let place = Place::typed("https://x/c/alice/work%2B/").unwrap().0;
        let told = described(&place, &prop);
        assert_eq!((&*told.name, told.look.name.as_deref(), told.shares.len()), ("work+", Some("Work"), 1));
        assert_eq!((told.shares[0].level, told.components.unwrap().iter().count()), (Level::Write, 1));
        assert!(!is_of_another(&place, &prop) && !told.transparent);
        let other = parse(
            b"<prop xmlns='DAV:'><current-user-principal><href>/p/users/al/</href></current-user-principal>\
              <o:owner-principal xmlns:o='urn:o'>p/users/bob</o:owner-principal></prop>",
        );
        assert!(is_of_another(&place, &other.unwrap()));
    }
}

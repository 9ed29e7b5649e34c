//! With whom a calendar is shared: what CalDAV's invitations say (caldav-sharing §5.2.2), and CS:share to change it.

use serde_json::{Value, json as object};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    front::{Response, Status, address, header},
    xml::{Element, Name, Writer, parse},
};

use super::{
    caldav::{As, Resource, decoded},
    calendars::{Calendar, OWNER},
    error::{Error, Refusal, Result},
    input::{Change, Faults},
    page::page,
    service::{BASE, Call, json},
    store::person,
    users::{self, EMAILS, NAME, RESOURCE_ID},
};

const INVITE: Name = Name::cs("invite");
const USER: Name = Name::cs("user");
const ACCESS: Name = Name::cs("access");
const READ: Name = Name::cs("read");
const READ_WRITE: Name = Name::cs("read-write");
const ADMINISTRATOR: Name = Name::own("administrator");
const FREE_BUSY: Name = Name::own("free-busy");

/// What somebody may do, in a word, and the elements that say it to CalDAV.
const ROLES: [(&str, &[Name]); 4] = [
    ("freebusy", &[FREE_BUSY]),
    ("reader", &[READ]),
    ("editor", &[READ_WRITE]),
    ("administrator", &[READ_WRITE, ADMINISTRATOR]),
];

/// What became of an invitation.
const STATES: [(&str, Name); 4] = [
    ("accepted", Name::cs("invite-accepted")),
    ("declined", Name::cs("invite-declined")),
    ("pending", Name::cs("invite-noresponse")),
    ("unknown", Name::cs("invite-invalid")),
];

/// A share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    id: Uuid,
    href: String,
    role: &'static str,
    status: &'static str,
    name: Option<String>,
    summary: Option<String>,
}

impl Share {
    fn new(calendar: &Calendar, href: &str, role: &'static str) -> Self {
        let text = format!("{}\n{href}", calendar.id);
        let mut octets = [0; 16];
        octets.copy_from_slice(&Sha256::digest(text)[..16]);
        // It is always the same of the same (RFC 9562 §5.8).
        octets[6] = (octets[6] & 0x0f) | 0x80;
        octets[8] = (octets[8] & 0x3f) | 0x80;
        let id = Uuid::from_bytes(octets);
        Self { id, href: href.to_owned(), role, status: "accepted", name: None, summary: None }
    }

    fn read(calendar: &Calendar, user: &Element) -> Option<Self> {
        let text = |name| user.child(name).map(|child| child.text().trim().to_owned());
        let href = text(Name::dav("href"))?;
        let status =
            STATES.iter().find(|(_, name)| user.child(*name).is_some()).map_or("pending", |(word, _)| word);
        let access = user.child(ACCESS)?;
        let said = |names: &[Name]| names.iter().all(|name| access.child(*name).is_some());
        let (role, _) = ROLES.iter().rev().find(|(_, names)| said(names))?;
        let share = Self::new(calendar, &href, role);
        let filled = |name| text(name).filter(|text| !text.is_empty());
        let (name, summary) = (filled(Name::cs("common-name")), filled(Name::cs("summary")));
        Some(Self { status, name, summary, ..share })
    }

    fn shown(&self, call: &Call) -> Value {
        let named = call.shared.caldav.named(&self.href);
        let (user, group) = match named {
            Some((name, true)) => (None, Some(name)),
            Some((name, false)) => (Some(name), None),
            None => (None, None),
        };
        object!({
            "id": self.id.to_string(),
            "role": self.role,
            "status": self.status,
            "email": self.href.strip_prefix("mailto:").map(decoded),
            "user": user,
            "group": group,
            "name": self.name,
            "summary": self.summary,
        })
    }
}

/// Whom to share with: the addresses under which CalDAV may list them, the one that it is told first.
struct Sharee(Vec<String>);

/// `GET calendars/{id}/shares/`
pub async fn list(call: &Call) -> Result<Response> {
    let calendar = Calendar::asked(call).await?;
    let all = shown(call, &calendar).await?;
    Ok(json(Status::OK, &page(call, &format!("calendars/{}/shares/", calendar.id), all)?))
}

/// With whom a calendar is shared, as JSON.
pub async fn shown(call: &Call, calendar: &Calendar) -> Result<Vec<Value>> {
    Ok(of(call, calendar).await?.iter().map(|share| share.shown(call)).collect())
}

/// `POST calendars/{id}/shares/`
pub async fn invite(call: &Call) -> Result<Response> {
    let mut faults = Faults::default();
    let role = role(call, &mut faults, true);
    let (name, summary) =
        (call.input.text("name", 255, &mut faults), call.input.text("summary", 255, &mut faults));
    let wanted = wanted(call, &mut faults);
    faults.none()?;
    let (field, text) = wanted.ok_or_else(|| Error::Fault("a sharee that was looked at".into()))?;
    let calendar = Calendar::asked(call).await?;
    let caldav = call.caldav()?;
    let Sharee(hrefs) = sharee(call, &caldav, field, &text).await?;
    let before = of(call, &calendar).await?;
    let said = |change| if let Change::Set(text) = change { Some(text) } else { None };
    let order = Order { href: &hrefs[0], role, name: said(name), summary: said(summary) };
    tell(&caldav, &calendar, field, &order).await?;
    let after = of(call, &calendar).await?;
    let fresh = || after.iter().find(|share| before.iter().all(|old| old.id != share.id)).cloned();
    let share = listed(&after, &hrefs).or_else(fresh).ok_or_else(Error::not_found)?;
    let status = if before.iter().any(|old| old.id == share.id) { Status::OK } else { Status::CREATED };
    let place = format!("{BASE}calendars/{}/shares/{}/", calendar.id, share.id);
    Ok(json(status, &share.shown(call)).with(header::LOCATION, place))
}

/// `GET calendars/{id}/shares/{share}/`
pub async fn retrieve(call: &Call) -> Result<Response> {
    let (_, share) = one(call).await?;
    Ok(json(Status::OK, &share.shown(call)))
}

/// `PATCH calendars/{id}/shares/{share}/`, and PUT in the same way.
pub async fn update(call: &Call) -> Result<Response> {
    let mut faults = Faults::default();
    let role = role(call, &mut faults, false);
    faults.none()?;
    let (calendar, share) = changed(call).await?;
    if let Some(role) = role.filter(|role| *role != share.role) {
        let order =
            Order { href: &share.href, role: Some(role), name: share.name.clone(), summary: share.summary };
        tell(&call.caldav()?, &calendar, "role", &order).await?;
    }
    let (_, share) = one(call).await?;
    Ok(json(Status::OK, &share.shown(call)))
}

/// `DELETE calendars/{id}/shares/{share}/`
pub async fn remove(call: &Call) -> Result<Response> {
    let (calendar, share) = changed(call).await?;
    let order = Order { href: &share.href, role: None, name: None, summary: None };
    tell(&call.caldav()?, &calendar, "role", &order).await?;
    Ok(Response::new(Status::NO_CONTENT))
}

/// The shares of a calendar, its owner first.
async fn of(call: &Call, calendar: &Calendar) -> Result<Vec<Share>> {
    let found = call.caldav()?.propfind(&calendar.path, 0, &[INVITE, OWNER]).await?;
    let found = found.first().ok_or_else(Error::not_found)?;
    let mut shares: Vec<Share> =
        found.href(OWNER).map(|href| Share::new(calendar, href, "owner")).into_iter().collect();
    if let Some(invite) = found.prop(INVITE) {
        let name = invite.child(Name::cs("organizer")).and_then(|who| who.child(Name::cs("common-name")));
        if let (Some(owner), Some(name)) = (shares.first_mut(), name) {
            owner.name = Some(name.text().trim().to_owned());
        }
        shares.extend(invite.all(USER).filter_map(|user| Share::read(calendar, user)));
    }
    Ok(shares)
}

/// The calendar and the share of the path.
async fn one(call: &Call) -> Result<(Calendar, Share)> {
    let calendar = Calendar::asked(call).await?;
    let wanted: Uuid = call.parts[1].parse().map_err(|_| Error::not_found())?;
    let share = of(call, &calendar).await?.into_iter().find(|share| share.id == wanted);
    Ok((calendar, share.ok_or_else(Error::not_found)?))
}

/// The same of a share that can be changed: an owner stays one.
async fn changed(call: &Call) -> Result<(Calendar, Share)> {
    let (calendar, share) = one(call).await?;
    if share.role == "owner" {
        let detail = "The owner of a calendar stays its owner.";
        return Err(Refusal::new(Status::FORBIDDEN, "permission_denied", detail).into());
    }
    Ok((calendar, share))
}

fn role(call: &Call, faults: &mut Faults, new: bool) -> Option<&'static str> {
    let change = call.input.parsed("role", faults, |text| {
        let known = ROLES.iter().find(|(word, _)| *word == text).map(|(word, _)| *word);
        known.ok_or_else(|| ("invalid_choice", format!("\"{text}\" is not a valid choice.")))
    });
    match change {
        Change::Set(role) => return Some(role),
        Change::Kept if !new || call.input.has("role") => {}
        Change::Kept => faults.add("role", "required", "This field is required."),
        Change::Cleared => faults.add("role", "null", "This field may not be null."),
    }
    None
}

/// The one field that says with whom, and its text.
fn wanted(call: &Call, faults: &mut Faults) -> Option<(&'static str, String)> {
    let mut said = Vec::new();
    for field in ["email", "user", "group"] {
        if let Change::Set(text) = call.input.text(field, 255, faults) {
            said.push((field, text));
        }
    }
    if said.len() != 1 {
        faults.add("email", "required", "One of email, user and group is required.");
        return None;
    }
    said.pop()
}

/// How CalDAV knows them.
async fn sharee(call: &Call, caldav: &As<'_>, field: &'static str, text: &str) -> Result<Sharee> {
    let unknown = || Error::field(field, "does_not_exist", "Nobody is known by it.");
    match field {
        "email" => match address(text.as_bytes()) {
            Ok(address) => Ok(Sharee(vec![format!("mailto:{address}")])),
            Err(_) => Err(Error::field(field, "invalid", "Enter a valid email address.")),
        },
        "group" => Ok(Sharee(vec![caldav.service().group(text)])),
        _ => {
            let id: Option<Uuid> = text.parse().ok();
            let name = match id {
                Some(id) => person::of(&call.shared.pool, id).await?.name,
                None => text.to_owned(),
            };
            if name.is_empty() {
                return Err(unknown());
            }
            let path = caldav.service().principal(&name);
            let found = caldav.propfind(&path, 0, &[NAME, EMAILS, RESOURCE_ID]).await;
            let found = found.map_err(|error| match error {
                Error::Refused(_) => unknown(),
                other => other,
            })?;
            let found: &Resource = found.first().ok_or_else(unknown)?;
            // A name may have passed to somebody else.
            if id.is_some() && users::id(found) != id {
                return Err(unknown());
            }
            // Pages show people by their addresses.
            let mails = found.prop(EMAILS).into_iter().flat_map(Element::children);
            Ok(Sharee(mails.map(|mail| format!("mailto:{}", mail.text().trim())).chain([path]).collect()))
        }
    }
}

/// What CalDAV is told of one sharee; without a role they have nothing any more.
struct Order<'a> {
    href: &'a str,
    role: Option<&'static str>,
    name: Option<String>,
    summary: Option<String>,
}

async fn tell(caldav: &As<'_>, calendar: &Calendar, field: &'static str, order: &Order<'_>) -> Result<()> {
    let mut w = Writer::new(Name::cs("share"));
    let what = if order.role.is_some() { Name::cs("set") } else { Name::cs("remove") };
    w.inside(what, |w| {
        w.element(Name::dav("href"), order.href);
        if let Some(name) = &order.name {
            w.element(Name::cs("common-name"), name);
        }
        if let Some(summary) = &order.summary {
            w.element(Name::cs("summary"), summary);
        }
        let elements =
            ROLES.iter().find(|(word, _)| Some(*word) == order.role).map_or(&[][..], |(_, names)| names);
        for name in elements {
            w.empty(*name);
        }
    });
    let told = caldav.post(&calendar.path, w.finish()).await?;
    if told.status != Status::MULTI_STATUS {
        return Ok(());
    }
    let root = parse(&told.body).map_err(|fault| Error::Upstream(fault.to_string()))?;
    let error = root.all(Name::dav("response")).find_map(|response| response.child(Name::dav("error")));
    let why = error.and_then(|error| error.children().next());
    let said = why.map(|why| why.text().trim()).filter(|said| !said.is_empty());
    let detail = said.map_or_else(
        || "The calendar cannot be shared with them.".to_owned(),
        |said| format!("Refused: {said}."),
    );
    Err(Error::field(field, "invalid", detail))
}

/// The share with one of these addresses, as it is written or else in other letters.
fn listed(all: &[Share], hrefs: &[String]) -> Option<Share> {
    let by = |same: fn(&str, &str) -> bool| {
        all.iter().find(|share| hrefs.iter().any(|href| same(&decoded(&share.href), &decoded(href))))
    };
    by(|one, other| one == other)
        .or_else(|| by(|one, other| one.to_lowercase() == other.to_lowercase()))
        .cloned()
}

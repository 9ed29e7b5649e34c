//! Calendars as JSON: each is what CalDAV says of it at that moment, and a change is made there.

use serde_json::{Value, json as object};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    front::{Conditions, Response, Status, Verdict, header},
    xml::{Name, Writer},
};

use super::{
    caldav::{Resource, decoded, last},
    error::{Error, Refusal, Result},
    input::{Change, Faults, Input},
    page::page,
    service::{BASE, Call, json},
    users::{self, PRINCIPAL, RESOURCE_ID},
};

const KIND: Name = Name::dav("resourcetype");
const NAME: Name = Name::dav("displayname");
/// The principal that a calendar is kept by.
pub const OWNER: Name = Name::dav("owner");
const RIGHTS: Name = Name::dav("current-user-privilege-set");
const COLOR: Name = Name::apple("calendar-color");
const ORDER: Name = Name::apple("calendar-order");
const DESCRIPTION: Name = Name::cal("calendar-description");
const TIMEZONE: Name = Name::cal("calendar-timezone-id");
const COMPONENTS: Name = Name::cal("supported-calendar-component-set");
/// Whether pages show it: no standard has a name for that.
const VISIBILITY: Name = Name::own("visibility");
/// How many objects are in it that whoever asks sees.
const COUNT: Name = Name::own("object-count");
/// Of an inbox: where what is not for another calendar goes (RFC 6638 §9.2).
const DEFAULT: Name = Name::cal("schedule-default-calendar-URL");

const PROPS: &[Name] = &[
    KIND,
    NAME,
    OWNER,
    RIGHTS,
    COLOR,
    ORDER,
    DESCRIPTION,
    TIMEZONE,
    COMPONENTS,
    VISIBILITY,
    DEFAULT,
    RESOURCE_ID,
    PRINCIPAL,
];

/// The calendar that everybody is given, which is the default until another is.
const GIVEN: &str = "calendar";
const VISIBLE: &str = "visible";
const HIDDEN: &str = "hidden";
/// The field that says how much is in it.
const OBJECTS: &str = "object_count";

/// A home, as whoever has it sees it.
pub struct Home {
    /// Its path.
    pub path: String,
    inbox: Option<String>,
    default: Option<String>,
    calendars: Vec<Calendar>,
}

/// A calendar, as it is seen in a home.
#[derive(Clone, Debug)]
pub struct Calendar {
    /// What stays of it whatever it is called.
    pub id: Uuid,
    /// Its path.
    pub path: String,
    /// What it says of itself.
    pub shown: Value,
}

impl Home {
    /// That of whoever is asking.
    pub async fn of(call: &Call) -> Result<Self> {
        Self::with(call, PROPS).await
    }

    /// The same, and of each calendar how many objects are in it.
    async fn counted(call: &Call) -> Result<Self> {
        Self::with(call, &[PROPS, &[COUNT]].concat()).await
    }

    async fn with(call: &Call, props: &[Name]) -> Result<Self> {
        let caldav = call.caldav()?;
        let user = &call.identity()?.user;
        let (nearly, theirs) = (caldav.service().principal(user), caldav.service().home(user));
        let found = caldav.glance(&theirs, 1, props).await?;
        if found.first().is_some_and(|home| users::is_own(call, home, &nearly)) {
            return Ok(Self::read(call, theirs, &found));
        }
        let principal = users::principal(call).await?;
        let name = caldav.service().named(&principal).map(|(name, _)| name).unwrap_or_default();
        let path = caldav.service().home(&name);
        let found = caldav.propfind(&path, 1, props).await?;
        Ok(Self::read(call, path, &found))
    }

    fn read(call: &Call, path: String, found: &[Resource]) -> Self {
        let is =
            |resource: &Resource, kind| resource.prop(KIND).is_some_and(|kinds| kinds.child(kind).is_some());
        let inbox = found.iter().find(|resource| is(resource, Name::cal("schedule-inbox")));
        let chosen = inbox.and_then(|inbox| inbox.href(DEFAULT)).map(str::to_owned);
        let all: Vec<&Resource> = found.iter().filter(|one| is(one, Name::cal("calendar"))).collect();
        let chosen = chosen.filter(|chosen| all.iter().any(|one| one.path == *chosen));
        let given = || all.iter().find(|one| one.name() == GIVEN && one.path.starts_with(&path));
        let default = chosen.or_else(|| given().map(|one| one.path.clone()));
        let calendars = all.iter().filter_map(|one| Calendar::read(call, one, default.as_deref())).collect();
        Self { inbox: inbox.map(|inbox| inbox.path.clone()), default, calendars, path }
    }

    /// The calendars in it.
    #[must_use]
    pub fn calendars(&self) -> &[Calendar] {
        &self.calendars
    }

    /// The calendar of that id, or of that name in its path.
    pub fn find(&self, wanted: &str) -> Result<&Calendar> {
        let id: Option<Uuid> = wanted.parse().ok();
        let by_id = self.calendars.iter().find(|one| Some(one.id) == id);
        let found = by_id.or_else(|| self.calendars.iter().find(|one| one.name() == wanted));
        found.ok_or_else(Error::not_found)
    }

    /// The calendars that are kept in it, and not those of others that are seen there.
    #[must_use]
    pub fn own(self) -> Vec<Calendar> {
        self.calendars.into_iter().filter(Calendar::is_own).collect()
    }

    /// The calendar of that path on CalDAV, with or without what stands before `/calendars/`; of whom it is may be written as
    /// an address, in any letters.
    pub fn at(self, call: &Call, path: &str) -> Option<Calendar> {
        let (_, rest) = path.split_once("/calendars/")?;
        let (user, name) = rest.trim_end_matches('/').split_once('/')?;
        let identity = call.identity().ok()?;
        let (own, said) = (last(&self.path), decoded(user));
        let names = [Some(own.as_str()), Some(identity.user.as_str()), identity.email.as_deref()];
        if name.contains('/') || !names.iter().flatten().any(|own| own.eq_ignore_ascii_case(&said)) {
            return None;
        }
        let name = decoded(name);
        self.calendars.into_iter().find(|one| one.name() == name)
    }

    /// Makes a calendar the default, or another than it where it is.
    async fn choose(&self, call: &Call, path: &str, is_default: Option<bool>) -> Result<()> {
        let Some(inbox) = &self.inbox else { return Ok(()) };
        let was = self.default.as_deref() == Some(path);
        match is_default {
            Some(true) if !was => {
                let set = |w: &mut Writer| w.inside(DEFAULT, |w| w.element(Name::dav("href"), path));
                call.caldav()?.proppatch(inbox, set, &[]).await
            }
            Some(false) if was => call.caldav()?.proppatch(inbox, |_| (), &[DEFAULT]).await,
            _ => Ok(()),
        }
    }
}

impl Calendar {
    /// The one that the path of the request names, by its id or its name.
    pub async fn asked(call: &Call) -> Result<Self> {
        Home::of(call).await?.find(&call.parts[0]).cloned()
    }

    /// The one of that path, as it is now, with how many objects are in it.
    async fn at(call: &Call, path: &str) -> Result<Self> {
        let home = Home::of(call).await?;
        let found = home.calendars.into_iter().find(|calendar| calendar.path == path);
        found.ok_or_else(Error::not_found)?.counted(call).await
    }

    /// The same with how many objects are in it.
    async fn counted(mut self, call: &Call) -> Result<Self> {
        // Whoever sees busy times alone may not ask.
        let found = call.caldav()?.glance(&self.path, 0, &[COUNT]).await?;
        self.shown[OBJECTS] = found.first().map_or(Value::Null, count);
        Ok(self)
    }

    fn read(call: &Call, resource: &Resource, default: Option<&str>) -> Option<Self> {
        let caldav = &call.shared.caldav;
        let id = users::id(resource)?;
        let owner = resource.href(OWNER).and_then(|path| caldav.named(path)).map(|(name, _)| name);
        let components: Vec<&str> = resource.prop(COMPONENTS).map_or_else(Vec::new, |set| {
            set.all(Name::cal("comp")).filter_map(|comp| comp.attribute("name")).collect()
        });
        let origin =
            call.shared.settings.server.public_url.as_ref().map(ToString::to_string).unwrap_or_default();
        let mut shown = object!({
            "id": id.to_string(),
            "name": resource.text(NAME).map_or_else(|| resource.name(), str::to_owned),
            "color": resource.text(COLOR),
            "description": resource.text(DESCRIPTION),
            "timezone": resource.text(TIMEZONE),
            "order": resource.text(ORDER).and_then(|order| order.parse::<i64>().ok()),
            "visibility": if resource.text(VISIBILITY) == Some(HIDDEN) { HIDDEN } else { VISIBLE },
            "is_default": default == Some(resource.path.as_str()),
            "components": components,
            "owner": owner,
            "role": role(resource),
            "caldav_path": format!("/{}", resource.path.strip_prefix(caldav.base()).unwrap_or(&resource.path)),
            "caldav_url": format!("{}{}", origin.trim_end_matches('/'), resource.path),
        });
        let tag = tag(&shown);
        shown["etag"] = format!("\"{tag}\"").into();
        // What is put into a calendar is no change of it that another one could be in the way of.
        shown[OBJECTS] = count(resource);
        Some(Self { id, path: resource.path.clone(), shown })
    }

    /// Its name in the path.
    #[must_use]
    pub fn name(&self) -> String {
        last(&self.path)
    }

    /// Whether it is kept in the home in which it is seen, and not one of somebody else's.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.shown["role"] == "owner"
    }

    /// Whether it is that, and takes events.
    fn can_be_default(&self) -> bool {
        let mut components = self.shown["components"].as_array().into_iter().flatten();
        self.is_own() && components.any(|one| one == EVENT)
    }

    fn tag(&self) -> &str {
        self.shown["etag"].as_str().unwrap_or_default().trim_matches('"')
    }

    /// Holds If-Match and If-None-Match against it; whether the client has what it asks for.
    fn check(&self, call: &Call, reading: bool) -> Result<bool> {
        let conditions = Conditions::parse(&call.headers)
            .map_err(|bad| Refusal::new(Status::BAD_REQUEST, "invalid", format!("{bad}.")))?;
        match conditions.check(Some(self.tag()), None, reading) {
            Verdict::Proceed => Ok(false),
            Verdict::NotModified => Ok(true),
            Verdict::Failed => {
                let detail = "It has changed since it was read.";
                Err(Refusal::new(Status::PRECONDITION_FAILED, "precondition_failed", detail).into())
            }
        }
    }

    fn told(&self, status: Status) -> Response {
        json(status, &self.shown).with(header::ETAG, format!("\"{}\"", self.tag()))
    }
}

/// How many objects are in a calendar; null where that was not asked, or is not told.
fn count(resource: &Resource) -> Value {
    resource.text(COUNT).and_then(|count| count.parse::<u64>().ok()).into()
}

/// What whoever asks may do with a calendar, in one word.
fn role(resource: &Resource) -> &'static str {
    let has = |right: Name| {
        let rights = resource.prop(RIGHTS).map(|rights| rights.all(Name::dav("privilege")));
        rights.is_some_and(|mut rights| rights.any(|one| one.child(right).is_some()))
    };
    let owner = resource.prop(KIND).is_none_or(|kind| kind.child(Name::cs("shared")).is_none());
    match () {
        () if owner => "owner",
        () if has(Name::dav("write-acl")) => "administrator",
        () if has(Name::dav("write-content")) => "editor",
        () if has(Name::dav("read")) => "reader",
        () => "freebusy",
    }
}

fn no_default() -> Error {
    Error::field("is_default", "invalid", "The default is a calendar of one's own that takes events.")
}

fn tag(shown: &Value) -> String {
    let mut octets = [0; 16];
    octets.copy_from_slice(&Sha256::digest(shown.to_string())[..16]);
    format!("{:032x}", u128::from_be_bytes(octets))
}

/// What is wanted of a calendar.
struct Wish {
    texts: Vec<(Name, Change<String>)>,
    components: Option<Vec<&'static str>>,
    is_default: Option<bool>,
}

impl Wish {
    fn read(input: &Input, new: bool) -> Result<Self> {
        let mut faults = Faults::default();
        let name = input.text("name", 255, &mut faults);
        match name {
            Change::Cleared => faults.add("name", "blank", "This field may not be blank."),
            Change::Kept if new && !input.has("name") => {
                faults.add("name", "required", "This field is required.");
            }
            _ => {}
        }
        let color = input.parsed("color", &mut faults, |text| {
            let digits =
                text.strip_prefix('#').filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
            let good = digits.is_some_and(|digits| matches!(digits.len(), 3 | 6 | 8));
            if good { Ok(text.to_owned()) } else { Err(("invalid", "Write it as #3788d8.".to_owned())) }
        });
        let timezone = input.parsed("timezone", &mut faults, |text| match jiff::tz::TimeZone::get(text) {
            Ok(_) => Ok(text.to_owned()),
            Err(_) => Err(("invalid_choice", format!("\"{text}\" is not a valid choice."))),
        });
        let visibility = input.parsed("visibility", &mut faults, |text| match text {
            VISIBLE | HIDDEN => Ok(text.to_owned()),
            _ => Err(("invalid_choice", format!("\"{text}\" is not a valid choice."))),
        });
        let order = match input.value("order") {
            None => Change::Kept,
            Some(Value::Null) => Change::Cleared,
            Some(order) => {
                let number = order.as_i64().filter(|order| i32::try_from(*order).is_ok());
                if number.is_none() {
                    faults.add("order", "invalid", "A valid integer is required.");
                }
                number.map_or(Change::Kept, |number| Change::Set(number.to_string()))
            }
        };
        let description = input.text("description", 10_000, &mut faults);
        let components = if new { components(input, &mut faults) } else { None };
        let is_default = input.flag("is_default", &mut faults);
        faults.none()?;
        let texts = vec![
            (NAME, name),
            (COLOR, color),
            (DESCRIPTION, description),
            (TIMEZONE, timezone),
            (ORDER, order),
            (VISIBILITY, visibility),
        ];
        Ok(Self { texts, components, is_default })
    }

    fn write(&self, w: &mut Writer) {
        for (name, change) in &self.texts {
            if let Change::Set(value) = change {
                w.element(*name, value);
            }
        }
        if let Some(components) = &self.components {
            w.inside(COMPONENTS, |w| {
                for name in components {
                    w.empty_with(Name::cal("comp"), &[("name", name)]);
                }
            });
        }
    }

    fn removed(&self) -> Vec<Name> {
        let gone = self.texts.iter().filter(|(_, change)| *change == Change::Cleared);
        gone.map(|(name, _)| *name).collect()
    }

    fn says_nothing(&self) -> bool {
        self.texts.iter().all(|(_, change)| *change == Change::Kept)
    }
}

/// The component that the default calendar takes.
const EVENT: &str = "VEVENT";
const KINDS: [&str; 3] = ["VEVENT", "VTODO", "VJOURNAL"];

fn components(input: &Input, faults: &mut Faults) -> Option<Vec<&'static str>> {
    let value = input.value("components").filter(|value| !value.is_null())?;
    let known = |name: &Value| KINDS.into_iter().find(|kind| Some(*kind) == name.as_str());
    let named: Option<Vec<&'static str>> = value.as_array().and_then(|all| all.iter().map(known).collect());
    let named = named.filter(|named| !named.is_empty());
    if named.is_none() {
        faults.add("components", "invalid_choice", format!("Expected a list of {}.", KINDS.join(", ")));
    }
    named
}

/// `GET calendars/`
pub async fn list(call: &Call) -> Result<Response> {
    let home = Home::counted(call).await?;
    let all = home.calendars.into_iter().map(|calendar| calendar.shown).collect();
    Ok(json(Status::OK, &page(call, "calendars/", all)?))
}

/// `POST calendars/`
pub async fn create(call: &Call) -> Result<Response> {
    // CalDAV would refuse it, too, and not say why.
    call.entitled().await?;
    let wish = Wish::read(&call.input, true)?;
    // What CalDAV would refuse is refused before anything is made of the rest.
    if wish.is_default == Some(true) && wish.components.as_ref().is_some_and(|all| !all.contains(&EVENT)) {
        return Err(no_default());
    }
    let home = Home::of(call).await?;
    let path = format!("{}{}/", home.path, Uuid::new_v4());
    call.caldav()?.mkcalendar(&path, |w| wish.write(w)).await?;
    home.choose(call, &path, wish.is_default).await?;
    let made = Calendar::at(call, &path).await?;
    let place = format!("{BASE}calendars/{}/", made.id);
    Ok(made.told(Status::CREATED).with(header::LOCATION, place))
}

/// `GET calendars/{id}/`
pub async fn retrieve(call: &Call) -> Result<Response> {
    let calendar = Calendar::asked(call).await?;
    if calendar.check(call, true)? {
        return Ok(Response::new(Status::NOT_MODIFIED).with(header::ETAG, format!("\"{}\"", calendar.tag())));
    }
    Ok(calendar.counted(call).await?.told(Status::OK))
}

/// `PATCH calendars/{id}/`, and PUT in the same way: what is not named stays.
pub async fn update(call: &Call) -> Result<Response> {
    let wish = Wish::read(&call.input, false)?;
    let home = Home::of(call).await?;
    let calendar = home.find(&call.parts[0])?;
    calendar.check(call, false)?;
    if wish.is_default == Some(true) && !calendar.can_be_default() {
        return Err(no_default());
    }
    if !wish.says_nothing() {
        call.caldav()?.proppatch(&calendar.path, |w| wish.write(w), &wish.removed()).await?;
    }
    home.choose(call, &calendar.path, wish.is_default).await?;
    Ok(Calendar::at(call, &calendar.path).await?.told(Status::OK))
}

/// `DELETE calendars/{id}/`
pub async fn delete(call: &Call) -> Result<Response> {
    let calendar = Calendar::asked(call).await?;
    calendar.check(call, false)?;
    call.caldav()?.delete(&calendar.path).await?;
    Ok(Response::new(Status::NO_CONTENT))
}

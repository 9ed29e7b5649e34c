//! People: who is signed in, who has an address, and how somebody wants to be talked to.

use serde_json::{Value, json as object};
use uuid::Uuid;

use crate::{
    front::{Response, Status, address},
    xml::{Name, Writer},
};

use super::{
    caldav::Resource,
    error::{Error, Refusal, Result},
    input::{Change, Faults},
    service::{Call, json},
    store::person::{self, Person},
};

/// The id of a resource (RFC 5842 §3.1).
pub const RESOURCE_ID: Name = Name::dav("resource-id");
/// Who is asking (RFC 5397 §3).
pub const PRINCIPAL: Name = Name::dav("current-user-principal");
/// Addresses of mail.
pub const EMAILS: Name = Name::cs("email-address-set");
/// What something is called.
pub const NAME: Name = Name::dav("displayname");

/// Characters of an address that may be searched for, at least.
const SHORTEST: usize = 5;
/// How many are found, at most.
const MOST: usize = 5;

/// Somebody, as CalDAV knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// What stays of them whatever they are called.
    pub id: Uuid,
    /// The user name.
    pub name: String,
    /// The address.
    pub email: Option<String>,
    /// What they are called.
    pub full_name: Option<String>,
}

impl User {
    /// Whoever is asking; CalDAV makes them what they need when it sees them first.
    pub async fn asking(call: &Call) -> Result<Self> {
        let caldav = call.caldav()?;
        let props = [PRINCIPAL, NAME, EMAILS, RESOURCE_ID];
        let nearly = caldav.service().principal(&call.identity()?.user);
        let mut found = caldav.glance(&nearly, 0, &props).await?;
        if !found.first().is_some_and(|resource| is_own(call, resource, &nearly)) {
            found = caldav.propfind(&principal(call).await?, 0, &props).await?;
        }
        let user = found.first().and_then(|resource| Self::read(call, resource));
        user.ok_or_else(|| Error::Upstream("it does not say who is asking".into()))
    }

    fn read(call: &Call, resource: &Resource) -> Option<Self> {
        let (name, _) = call.shared.caldav.named(&resource.path).filter(|(_, group)| !group)?;
        let email = resource.prop(EMAILS).and_then(|set| set.child(Name::cs("email-address")));
        let full_name = resource.text(NAME).filter(|shown| *shown != name).map(str::to_owned);
        let id = id(resource)?;
        Some(Self { id, email: email.map(|email| email.text().trim().to_owned()), full_name, name })
    }

    /// With what is known here of them.
    #[must_use]
    pub fn shown(&self, person: &Person, language: &str) -> Value {
        let short = self.full_name.as_deref().and_then(|name| name.split_whitespace().next());
        object!({
            "id": self.id.to_string(),
            "email": self.email,
            "full_name": self.full_name,
            "short_name": short.map(|short| short.chars().take(20).collect::<String>()),
            "language": person.language.as_deref().unwrap_or(language),
        })
    }
}

/// The path of the principal of whoever is asking.
pub async fn principal(call: &Call) -> Result<String> {
    let caldav = call.caldav()?;
    let found = caldav.propfind(caldav.service().base(), 0, &[PRINCIPAL]).await?;
    let path = found.first().and_then(|root| root.href(PRINCIPAL)).map(str::to_owned);
    path.ok_or_else(|| Error::Upstream("it does not say who is asking".into()))
}

/// Whether a resource says that whoever is asking is who has that path: as a rule they are called what the proxy calls them.
#[must_use]
pub fn is_own(call: &Call, resource: &Resource, principal: &str) -> bool {
    let named = |path: &str| call.shared.caldav.named(path);
    resource.href(PRINCIPAL).and_then(named).is_some_and(|who| Some(who) == named(principal))
}

/// The id that a resource has.
#[must_use]
pub fn id(resource: &Resource) -> Option<Uuid> {
    resource.href(RESOURCE_ID)?.strip_prefix("urn:uuid:")?.parse().ok()
}

/// `GET users/me/`
pub async fn me(call: &Call) -> Result<Response> {
    let user = User::asking(call).await?;
    let person = person::of(&call.shared.pool, user.id).await?;
    let mut shown = user.shown(&person, &call.shared.site.language().await);
    // Where nobody can tell, pages are not shut.
    let entitled = call.shared.entitlements.of(call.identity()?, user.email.as_deref()).await;
    shown["can_access"] = entitled.unwrap_or(true).into();
    Ok(json(Status::OK, &shown))
}

/// `GET users/?q=`
pub async fn search(call: &Call) -> Result<Response> {
    let wanted = call.param("q").unwrap_or_default();
    let wanted = wanted.trim();
    let whole = wanted.chars().count() >= SHORTEST && wanted.contains('@');
    let Some(wanted) = address(wanted.as_bytes()).ok().filter(|_| whole) else {
        return Ok(json(Status::OK, &object!([])));
    };
    let mut w = Writer::new(Name::dav("principal-property-search"));
    w.inside(Name::dav("property-search"), |w| {
        w.inside(Name::dav("prop"), |w| w.empty(EMAILS));
        w.open_with(Name::dav("match"), &[("match-type", "equals")]);
        w.text(&wanted);
        w.close(Name::dav("match"));
    });
    w.inside(Name::dav("prop"), |w| [NAME, EMAILS, RESOURCE_ID].iter().for_each(|name| w.empty(*name)));
    let caldav = call.caldav()?;
    let path = format!("{}principals/", caldav.service().base());
    let found = caldav.report(&path, w.finish()).await?;
    let mut users: Vec<User> = found.iter().filter_map(|resource| User::read(call, resource)).collect();
    users.retain(|user| user.email.as_ref().is_some_and(|email| email.to_lowercase() == wanted));
    users.sort_by(|a, b| a.email.cmp(&b.email));
    users.truncate(MOST);
    let ids: Vec<Uuid> = users.iter().map(|user| user.id).collect();
    let known = person::of_all(&call.shared.pool, &ids).await?;
    // By its id somebody can be named where a calendar is shared.
    let renewed = |user: &&User| known.get(&user.id).is_none_or(|person| person.name != user.name);
    for user in users.iter().filter(renewed).filter(|_| !call.shared.settings.server.read_only) {
        person::set(&call.shared.pool, (user.id, &user.name), &Person::default()).await?;
    }
    let (language, nothing) = (call.shared.site.language().await, Person::default());
    let shown = users.iter().map(|user| user.shown(known.get(&user.id).unwrap_or(&nothing), &language));
    Ok(json(Status::OK, &shown.collect()))
}

/// `PUT users/{id}/` and `PATCH users/{id}/`: what is not to be set is passed over.
pub async fn update(call: &Call) -> Result<Response> {
    let user = User::asking(call).await?;
    if call.parts[0].parse() != Ok(user.id) {
        return Err(Refusal::forbidden().into());
    }
    let languages = call.shared.site.languages().await;
    let mut faults = Faults::default();
    let language = call.input.parsed("language", &mut faults, |text| {
        let known = languages.iter().find(|code| code.eq_ignore_ascii_case(text)).cloned();
        known.ok_or_else(|| ("invalid_choice", format!("\"{text}\" is not a valid choice.")))
    });
    let timezone = call.input.parsed("timezone", &mut faults, |text| {
        let zone = jiff::tz::TimeZone::get(text).ok();
        let name = zone.and_then(|zone| zone.iana_name().map(str::to_owned));
        name.ok_or_else(|| ("invalid_choice", format!("\"{text}\" is not a valid choice.")))
    });
    faults.none()?;
    let set = |change: Change<String>| if let Change::Set(value) = change { Some(value) } else { None };
    let new = Person { language: set(language), timezone: set(timezone), ..Person::default() };
    if new != Person::default() {
        person::set(&call.shared.pool, (user.id, &user.name), &new).await?;
    }
    Ok(json(Status::OK, &settings(call, &user).await?))
}

/// Somebody, and how they want to be talked to.
pub async fn settings(call: &Call, user: &User) -> Result<Value> {
    let person = person::of(&call.shared.pool, user.id).await?;
    let mut shown = user.shown(&person, &call.shared.site.language().await);
    shown["timezone"] = person.timezone.unwrap_or_else(|| "UTC".to_owned()).into();
    Ok(shown)
}

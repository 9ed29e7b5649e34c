//! Passwords for single programs, which their owner makes, calls something, and ends.

use std::time::SystemTime;

use jiff::Timestamp;
use serde_json::{Value, json as object};
use uuid::Uuid;

use crate::{
    front::{Response, Status},
    model::Scope,
    xml::Name,
};

use super::{
    caldav::last,
    check::fresh,
    error::{Error, Refusal, Result},
    input::{Change, Faults},
    service::{Call, json},
    store::password::{self, Password},
    users::User,
};

const KIND: Name = Name::dav("resourcetype");
/// Characters of a label.
const LONGEST_LABEL: usize = 100;

/// `GET app-passwords/`
pub async fn list(call: &Call) -> Result<Response> {
    let user = owner(call).await?;
    let all = password::of(&call.shared.pool, user.id).await?;
    if all.iter().any(|one| one.name != user.name) && !call.shared.settings.server.read_only {
        password::called(&call.shared.pool, user.id, &user.name).await?;
    }
    Ok(json(Status::OK, &all.iter().map(shown).collect()))
}

/// `POST app-passwords/`: the only answer that has the secret.
pub async fn create(call: &Call) -> Result<Response> {
    let user = owner(call).await?;
    let mut faults = Faults::default();
    let label = named(call, &mut faults);
    let read_only = call.input.flag("read_only", &mut faults).unwrap_or_default();
    let expires = call.input.parsed("expires_at", &mut faults, |text| {
        let time = text.parse::<Timestamp>().ok().filter(|time| *time > Timestamp::now());
        time.map(SystemTime::from)
            .ok_or(("invalid", "Expected a time to come, as 2030-01-31T00:00:00Z.".to_owned()))
    });
    let calendars = calendars(call, &mut faults);
    faults.none()?;
    if let Some(names) = &calendars {
        known(call, &user, names).await?;
    }
    let expires = if let Change::Set(time) = expires { Some(time) } else { None };
    let id = Uuid::new_v4();
    // What cannot be told to CalDAV is not made.
    let (credential, names) = (id.to_string(), calendars.clone());
    let scope = Scope { person: user.id, credential, read_only, calendars: names };
    if scope.spell(&user.name).is_none() {
        return Err(Error::field("calendars", "invalid", "These are too many calendars for one password."));
    }
    let created = SystemTime::UNIX_EPOCH;
    let name = user.name.clone();
    let new = Password { id, name, label, read_only, calendars, expires, created, used: None };
    let (secret, hash) = fresh();
    let made = password::add(&call.shared.pool, user.id, &new, &hash).await?;
    let Some(created) = made else {
        let detail = "There are as many passwords as one person may have: revoke one first.";
        return Err(Refusal::new(Status::BAD_REQUEST, "limit_reached", detail).into());
    };
    tracing::info!(credential = %id, "a password for a program was made");
    let mut shown = shown(&Password { created, ..new });
    shown["username"] = user.name.into();
    shown["secret"] = secret.into();
    Ok(json(Status::CREATED, &shown))
}

/// `PATCH app-passwords/{id}/`: what it is called is all that can change.
pub async fn rename(call: &Call) -> Result<Response> {
    let user = owner(call).await?;
    let mut faults = Faults::default();
    let label = named(call, &mut faults);
    faults.none()?;
    let id = id(call)?;
    if !password::label(&call.shared.pool, user.id, id, &label).await? {
        return Err(Error::not_found());
    }
    let all = password::of(&call.shared.pool, user.id).await?;
    let one = all.iter().find(|one| one.id == id).ok_or_else(Error::not_found)?;
    Ok(json(Status::OK, &shown(one)))
}

/// `DELETE app-passwords/{id}/`: it is of no more use, on any node.
pub async fn revoke(call: &Call) -> Result<Response> {
    let user = owner(call).await?;
    let id = id(call)?;
    if !password::revoke(&call.shared.pool, user.id, id).await? {
        return Err(Error::not_found());
    }
    // The others hear of it.
    call.shared.checker.forget();
    tracing::info!(credential = %id, "a password for a program was revoked");
    Ok(Response::new(Status::NO_CONTENT))
}

/// Who is asking, unless by such a password: one would make others that live on when it is revoked.
async fn owner(call: &Call) -> Result<User> {
    if call.identity()?.scope.is_some() {
        return Err(Refusal::forbidden().into());
    }
    User::asking(call).await
}

fn id(call: &Call) -> Result<Uuid> {
    call.parts[0].parse().map_err(|_| Error::not_found())
}

fn named(call: &Call, faults: &mut Faults) -> String {
    let has = call.input.has("label");
    match call.input.text("label", LONGEST_LABEL, faults) {
        Change::Set(label) => label,
        Change::Cleared => {
            faults.add("label", "blank", "This field may not be blank.");
            String::new()
        }
        Change::Kept => {
            if !has {
                faults.add("label", "required", "This field is required.");
            }
            String::new()
        }
    }
}

/// The names of calendars, each given by its name or its path.
fn calendars(call: &Call, faults: &mut Faults) -> Option<Vec<String>> {
    let list = match call.input.value("calendars") {
        None | Some(Value::Null) => return None,
        Some(Value::Array(list)) if !list.is_empty() => list,
        Some(_) => {
            faults.add("calendars", "invalid", "Expected a list of calendars, or null for all.");
            return None;
        }
    };
    let mut names: Vec<String> = Vec::new();
    for one in list {
        let Some(text) = one.as_str() else {
            faults.add("calendars", "invalid", "Not a valid string.");
            return None;
        };
        let name = if text.contains('/') { last(text) } else { text.to_owned() };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Some(names)
}

/// Refuses what is no calendar in the home of whoever is asking.
async fn known(call: &Call, user: &User, names: &[String]) -> Result<()> {
    let caldav = call.caldav()?;
    let found = caldav.propfind(&caldav.service().home(&user.name), 1, &[KIND]).await?;
    let calendar = |name: &String| {
        found.iter().any(|resource| {
            resource.name() == *name
                && resource.prop(KIND).is_some_and(|kind| kind.child(Name::cal("calendar")).is_some())
        })
    };
    match names.iter().find(|name| !calendar(name)) {
        None => Ok(()),
        Some(name) => {
            Err(Error::field("calendars", "does_not_exist", format!("There is no calendar \"{name}\".")))
        }
    }
}

fn shown(one: &Password) -> Value {
    let time = |time: SystemTime| Timestamp::try_from(time).map(|time| time.to_string()).ok();
    object!({
        "id": one.id.to_string(),
        "label": one.label,
        "read_only": one.read_only,
        "calendars": one.calendars,
        "expires_at": one.expires.and_then(time),
        "created_at": time(one.created),
        "last_used_at": one.used.as_ref().and_then(|(at, _)| time(*at)),
        "last_used_from": one.used.as_ref().map(|(_, from)| from),
    })
}

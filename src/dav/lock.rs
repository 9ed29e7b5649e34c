//! LOCK: takes a write lock on a calendar, on what lies in it or on a name in it, or lets one last longer (RFC 4918 §9.10).

use std::{sync::Arc, time::Duration};

use uuid::Uuid;

use crate::{
    db::Tx,
    front::{HeaderMap, HeaderName, Response, Status, header},
    model::{Kind, Lock, Privilege},
    store::{
        self, Calendar,
        lock::{refresh, take},
    },
    xml::{Element, Name, Writer},
};

use super::{
    Cx, Error, Given, Refusal, Result, Target,
    access::{self, Household, On, household},
    condition::{LOCK_TOKEN_MATCHES_REQUEST_URI, NO_CONFLICTING_LOCK, QUOTA_NOT_EXCEEDED},
    error::XML,
    guard::{Guard, Now, Touch},
    header::{Depth, Prefer, depth},
    locks,
    multistatus::Multistatus,
    seen::{self, Sight},
};

/// Locks that a calendar and its members may have at once.
const MOST: usize = 100;
/// Who may do one of these in a calendar may know what is there.
const TOUCHED: [Privilege; 3] = [Privilege::WriteContent, Privilege::Bind, Privilege::Read];
/// Octets of a DAV:owner: it is told of each member that a lock covers.
const LONGEST_OWNER: usize = 1024;

/// With a body a new lock, without one a longer life for one that is there.
pub async fn run(cx: Arc<Cx>, given: Given) -> Result<Response> {
    let guard = locks::guard(&cx).await?;
    let seconds = timeout(&cx.headers, *cx.settings.limits.lock_timeout);
    match given.xml {
        Some(root) => new(&cx, &guard, wanted(&cx, &root, seconds)?).await,
        None => longer(&cx, &guard, seconds).await,
    }
}

/// Whether the lock was given.
enum Outcome {
    /// With all that are there now; whether the name was free before.
    Given(Calendar, Vec<Lock>, bool),
    /// Locks on members are in the way of one on all of them: their roots.
    Held(Vec<String>),
}

async fn new(cx: &Cx, guard: &Guard, wanted: Lock) -> Result<Response> {
    let place = Place::of(cx).await?;
    let (place, lock) = (&place, &wanted);
    let outcome = cx
        .pool
        .transaction(async |tx: Arc<Tx>| {
            let calendar = place.calendar(cx, &tx, &TOUCHED).await?.ok_or_else(|| place.unmapped())?;
            let sight = place.sight(cx, &tx, &calendar).await?;
            let hidden = matches!(sight, Sight::Hidden);
            let object = sight.object();
            let mut locks = store::lock::of_in(&tx, &calendar).await?;
            let free = place
                .member
                .as_ref()
                .filter(|name| object.is_none() && !locks.iter().any(|lock| lock.reserves(name)));
            if !matches!(calendar.kind, Kind::Calendar | Kind::Subscribed) {
                return Err(Refusal::need(cx.located.own_href(), Privilege::Bind).into());
            }
            place.may_lock(cx, &calendar, free.is_some())?;
            let now = Now { calendar: &calendar, object: object.as_ref(), locks: &locks };
            guard.expects(&now)?;
            if hidden {
                // Nobody is told what has the name, and nobody else gets it.
                return Err(Refusal::need(cx.located.own_href(), Privilege::WriteContent).into());
            }
            if let Some(roots) = in_the_way(guard, &now, lock)? {
                return Ok(Outcome::Held(roots));
            }
            if free.is_some() {
                guard.unlocked(&now, &[Touch::Calendar])?;
            }
            if locks.len() >= MOST {
                let why = format!("there are {MOST} locks in this calendar, and no room for more");
                return Err(QUOTA_NOT_EXCEEDED.because(why).into());
            }
            take(&tx, &calendar, lock).await?;
            let made = free.is_some();
            locks.push(lock.clone());
            Ok::<_, Error>(Outcome::Given(calendar, locks, made))
        })
        .await?;
    match outcome {
        Outcome::Given(calendar, locks, made) => {
            let status = if made { Status::CREATED } else { Status::OK };
            let answer = told(Response::new(status), guard, &calendar, &locks, place.member.as_deref());
            let token = format!("<{}>", wanted.urn());
            Ok(cx.named(answer.with(HeaderName::from_static("lock-token"), token)))
        }
        Outcome::Held(roots) => Ok(held(cx, &roots)),
    }
}

/// Refuses where a lock on the resource itself excludes the new one; gives the roots of those on members that do.
fn in_the_way(guard: &Guard, now: &Now, lock: &Lock) -> Result<Option<Vec<String>>, Refusal> {
    let against: Vec<&Lock> = now.locks.iter().filter(|other| other.excludes(lock)).collect();
    let mut roots: Vec<String> = against.iter().map(|other| guard.told(now.calendar, other)).collect();
    roots.sort();
    roots.dedup();
    let listed = against.iter().all(|other| guard.tells(now.calendar, other));
    if against.is_empty() {
        Ok(None)
    } else if listed && against.iter().all(|other| other.member.is_some() && lock.member.is_none()) {
        Ok(Some(roots))
    } else {
        Err(NO_CONFLICTING_LOCK.at_all(roots))
    }
}

/// RFC 4918 §9.10.3: not all of a calendar could be locked, so nothing of it is.
fn held(cx: &Cx, roots: &[String]) -> Response {
    let mut answer = Multistatus::new(Prefer::default());
    for root in roots {
        answer.refused(root, &NO_CONFLICTING_LOCK.at(root));
    }
    answer.status(&cx.located.own_href(), Status::FAILED_DEPENDENCY);
    answer.finish()
}

/// RFC 4918 §9.10.2
async fn longer(cx: &Cx, guard: &Guard, seconds: Option<i32>) -> Result<Response> {
    let tokens = guard.tokens();
    let [token] = tokens[..] else {
        let why = "a LOCK without a body refreshes a lock: the header If names the token of one";
        return Err(Refusal::bad_request(why).into());
    };
    let place = Place::of(cx).await?;
    let place = &place;
    let (calendar, locks) = cx
        .pool
        .transaction(async |tx: Arc<Tx>| {
            let calendar = place.calendar(cx, &tx, &TOUCHED).await?.ok_or_else(Refusal::not_found)?;
            let object = place.object(cx, &tx, &calendar).await?;
            let mut locks = store::lock::of_in(&tx, &calendar).await?;
            let member = place.member.as_deref();
            let found = locks.iter().position(|lock| lock.urn() == token && lock.covers(member));
            let status = Status::PRECONDITION_FAILED;
            let at = found.ok_or(Refusal { status, ..LOCK_TOKEN_MATCHES_REQUEST_URI.into() })?;
            guard.expects(&Now { calendar: &calendar, object: object.as_ref(), locks: &locks })?;
            let lock = &mut locks[at];
            if lock.principal_id != cx.viewer.principal.id {
                return Err(Refusal::plain(Status::FORBIDDEN, "the lock is somebody else's").into());
            }
            place.may_lock(cx, &calendar, lock.vacant)?;
            let seconds = seconds.unwrap_or(lock.seconds).min(most(*cx.settings.limits.lock_timeout));
            refresh(&tx, &calendar, lock, seconds).await?;
            lock.remaining = seconds.into();
            Ok::<_, Error>((calendar, locks))
        })
        .await?;
    Ok(cx.named(told(Response::new(Status::OK), guard, &calendar, &locks, place.member.as_deref())))
}

/// What the URL of a LOCK or UNLOCK names.
pub struct Place {
    house: Household,
    collection: String,
    /// The member of the collection, where it is about one.
    pub member: Option<String>,
}

impl Place {
    /// That of the request.
    pub async fn of(cx: &Cx) -> Result<Self> {
        let house = household(cx).await?;
        let (collection, member) = match &cx.located.target {
            Target::Collection(_, collection) => (collection.clone(), None),
            Target::Object(_, collection, name) => (collection.clone(), Some(name.clone())),
            _ => return Err(Refusal::not_found().into()),
        };
        Ok(Self { house, collection, member })
    }

    /// The calendar, which nobody else changes until the transaction ends, for a viewer who holds one of these there, of which
    /// the first is what is needed.
    pub async fn calendar(&self, cx: &Cx, tx: &Tx, any: &[Privilege]) -> Result<Option<Calendar>> {
        let found = store::calendar::lock(tx, &cx.viewer, self.house.owner.id, &self.collection).await?;
        if self.house.lacks(found.as_ref()) {
            return Ok(None);
        }
        let rights = found.as_ref().map_or(self.house.rights, |calendar| calendar.rights);
        let held = any.iter().find(|privilege| rights.has(**privilege)).or(any.first());
        let needed = held.copied().unwrap_or(Privilege::All);
        Ok(Some(self.house.admit(cx, found, On::Resource, needed)?))
    }

    /// Refuses to lock for who could not change what is locked, or make what is not there (RFC 3744 Appendix B).
    fn may_lock(&self, cx: &Cx, calendar: &Calendar, vacant: bool) -> Result<(), Refusal> {
        if !vacant {
            return access::need_in(calendar, Privilege::WriteContent, || cx.located.own_href());
        }
        let parent = || cx.href(&Target::Collection(self.house.owner.name.clone(), self.collection.clone()));
        access::need_in(calendar, Privilege::Bind, parent)
    }

    /// What the viewer sees of the member, if it is about one.
    async fn sight(&self, cx: &Cx, tx: &Tx, calendar: &Calendar) -> Result<Sight> {
        let Some(name) = &self.member else { return Ok(Sight::Nothing) };
        seen::named_in(cx, tx, calendar, name).await
    }

    /// The same, where what is hidden is as good as nothing.
    pub async fn object(&self, cx: &Cx, tx: &Tx, calendar: &Calendar) -> Result<Option<store::Object>> {
        Ok(self.sight(cx, tx, calendar).await?.object())
    }

    /// Why nothing can be locked where there is no calendar: what lies in a home is a collection (RFC 4918 §9.10.4), and
    /// what is in none has nowhere to be (§9.10.6).
    fn unmapped(&self) -> Refusal {
        match self.member {
            Some(_) => Refusal::plain(Status::CONFLICT, "there is no such calendar"),
            None => Refusal::plain(Status::FORBIDDEN, "there is no such calendar: make it, then lock it"),
        }
    }
}

/// The lock that is asked for (RFC 4918 §14.11).
fn wanted(cx: &Cx, root: &Element, seconds: Option<i32>) -> Result<Lock, Refusal> {
    if !root.is(Name::dav("lockinfo")) {
        return Err(Refusal::bad_request("the body of a LOCK is a DAV:lockinfo"));
    }
    let choice = |of| {
        let mut choices = root.all(Name::dav(of)).flat_map(Element::children);
        choices.next().filter(|_| choices.next().is_none())
    };
    let scope = choice("lockscope");
    let shared = scope.is_some_and(|scope| scope.is(Name::dav("shared")));
    let known = shared || scope.is_some_and(|scope| scope.is(Name::dav("exclusive")));
    if !known || !choice("locktype").is_some_and(|kind| kind.is(Name::dav("write"))) {
        return Err(Refusal::bad_request("a lock is exclusive or shared, and a write lock"));
    }
    let deep = match depth(&cx.headers)? {
        None | Some(Depth::Infinity) => true,
        Some(Depth::Zero) => false,
        Some(Depth::One) => return Err(Refusal::bad_request("the Depth of a LOCK is 0 or infinity")),
    };
    let owner = root.child(Name::dav("owner")).map(Element::fragment).unwrap_or_default();
    if owner.len() > LONGEST_OWNER {
        let why = format!("a DAV:owner has at most {LONGEST_OWNER} octets");
        return Err(Refusal::plain(Status::PAYLOAD_TOO_LARGE, why));
    }
    let member = match &cx.located.target {
        Target::Object(.., name) => Some(name.clone()),
        _ => None,
    };
    let seconds = seconds.unwrap_or_else(|| most(*cx.settings.limits.lock_timeout));
    Ok(Lock {
        token: Uuid::new_v4(),
        infinite: deep && member.is_none(),
        member,
        principal_id: cx.viewer.principal.id,
        shared,
        owner,
        seconds,
        remaining: seconds.into(),
        vacant: false,
        veiled: false,
    })
}

/// Seconds that a lock is to last, of which the settings allow so many; `None` where nothing is asked that can be read. Of
/// several wishes the first counts (RFC 4918 §10.7).
fn timeout(headers: &HeaderMap, longest: Duration) -> Option<i32> {
    let value = headers.get("timeout")?.to_str().ok()?;
    value.split(',').map(str::trim).find_map(|wish| {
        if wish.eq_ignore_ascii_case("infinite") {
            return Some(most(longest));
        }
        let digits = wish.get(..7).filter(|word| word.eq_ignore_ascii_case("second-")).map(|_| &wish[7..])?;
        let seconds = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.is_empty();
        // What no number holds is longer than any lock lasts.
        seconds.then(|| digits.parse().unwrap_or(i32::MAX).clamp(1, most(longest)))
    })
}

fn most(longest: Duration) -> i32 {
    i32::try_from(longest.as_secs()).unwrap_or(i32::MAX).max(1)
}

/// The answer with all locks on the resource; it is of no use to anybody later.
fn told(
    answer: Response,
    guard: &Guard,
    calendar: &Calendar,
    locks: &[Lock],
    member: Option<&str>,
) -> Response {
    let mut w = Writer::new(Name::dav("prop"));
    w.inside(Name::dav("lockdiscovery"), |w| {
        for lock in locks.iter().filter(|lock| lock.covers(member)) {
            locks::active(lock, &guard.root(calendar, lock), w);
        }
    });
    answer.with(header::CACHE_CONTROL, "no-store").body(XML, w.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_lasts_as_long_as_is_asked_and_never_longer_than_allowed() {
        let hour = Duration::from_hours(1);
        for (text, seconds) in [
            ("Second-60", Some(60)),
            ("second-60, Infinite", Some(60)),
            ("Infinite, Second-4100000000", Some(3600)),
            ("Second-4100000000", Some(3600)),
            ("Second-99999999999999999999999", Some(3600)),
            ("Second-0", Some(1)),
            ("Extend, Second-7", Some(7)),
            ("Second-", None),
            ("Second-+7", None),
            ("Séconde-7", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("timeout", text.parse().unwrap());
            assert_eq!(timeout(&headers, hour), seconds, "{text}");
        }
        assert_eq!(timeout(&HeaderMap::new(), hour), None);
        assert_eq!(most(Duration::from_secs(u64::MAX)), i32::MAX);
    }
}

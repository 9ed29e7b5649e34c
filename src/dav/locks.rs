//! What is told of locks, and what is to be known before a request's If header can be judged (RFC 4918 §10.4, §15.8 and
//! §15.10).

use crate::{
    model::{Kind, Lock},
    store::Calendar,
    xml::{Name, Writer},
};

use super::{
    Cx, Error, Result, Target,
    facts::of_target,
    guard::{Guard, State, root, tokens_of, tokens_of_home},
    prop::{Facts, Needs},
};

/// The conditions of a request, with the state of each resource that its If header names; where there is no such header
/// nothing is asked of the database. What a method changes it looks at again when nobody else can.
pub async fn guard(cx: &Cx) -> Result<Guard> {
    let mut guard = Guard::of(cx)?;
    let named: Vec<Target> = guard.named().into_iter().cloned().collect();
    for target in named {
        let located = super::Located { target: target.clone(), ..cx.located.clone() };
        match of_target(&cx.at(located), Needs::LOCKS.or(Needs::HOME)).await {
            Ok(facts) => guard.learn(target, state(&facts, cx.outline)),
            // Of what is not there, or not for the viewer, nothing is so.
            Err(Error::Refused(_)) => {}
            Err(fault) => return Err(fault),
        }
    }
    Ok(guard)
}

fn state(facts: &Facts, outline: u32) -> State {
    let mut tokens: Vec<String> = facts.locks.iter().map(Lock::urn).collect();
    if facts.kind() == Kind::Object {
        return State { etag: facts.object.as_ref().map(|object| object.etag.clone()), tokens };
    }
    tokens.extend(facts.calendar.iter().flat_map(|calendar| tokens_of(calendar.state)));
    tokens.extend(facts.home.iter().flat_map(|home| tokens_of_home(home, outline)));
    State { etag: facts.calendar.as_ref().map(Calendar::tag), tokens }
}

/// Writes the content of DAV:lockdiscovery.
pub fn discovery(facts: &Facts, cx: &Cx, w: &mut Writer) -> Option<()> {
    let (Target::Collection(user, calendar) | Target::Object(user, calendar, _)) = &facts.target else {
        return None;
    };
    for lock in &facts.locks {
        active(lock, &cx.href(&root(user.clone(), calendar.clone(), lock)), w);
    }
    Some(())
}

/// Writes the content of DAV:supportedlock.
#[allow(clippy::unnecessary_wraps)] // as the table has it
pub fn supported(_: &Facts, _: &Cx, w: &mut Writer) -> Option<()> {
    for shared in [false, true] {
        w.inside(Name::dav("lockentry"), |w| kind(shared, w));
    }
    Some(())
}

/// Writes a DAV:activelock (RFC 4918 §14.1).
pub fn active(lock: &Lock, root: &str, w: &mut Writer) {
    w.inside(Name::dav("activelock"), |w| {
        kind(lock.shared, w);
        w.element(Name::dav("depth"), if lock.infinite { "infinity" } else { "0" });
        w.raw(&lock.owner);
        w.element(Name::dav("timeout"), &format!("Second-{}", lock.remaining));
        w.inside(Name::dav("locktoken"), |w| w.element(Name::dav("href"), &lock.urn()));
        w.inside(Name::dav("lockroot"), |w| w.element(Name::dav("href"), root));
    });
}

fn kind(shared: bool, w: &mut Writer) {
    let scope = Name::dav(if shared { "shared" } else { "exclusive" });
    w.inside(Name::dav("lockscope"), |w| w.empty(scope));
    w.inside(Name::dav("locktype"), |w| w.empty(Name::dav("write")));
}

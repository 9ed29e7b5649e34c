//! THE ONE PLACE where it is learnt that somebody came into a group or left one, by the proxy's word at a sign-in or by an
//! admin's: what follows from it is called from here.

use crate::{
    db::{Error, Tx},
    store::{
        Principal,
        audit::{self, Action, Deed, Party, Place},
    },
};

/// Called in the transaction in which the groups of `now` were changed, by whomever; `before` is what they were. What
/// somebody may do by a group needs nothing: rights are looked up with the groups of now.
pub async fn changed(tx: &Tx, by: &Party, before: &[String], now: &Principal) -> Result<(), Error> {
    let (joined, left) = difference(before, &now.groups);
    let deed = |action, group: &&String| Deed {
        actor: by.clone(),
        action,
        owner: Party::default(),
        place: Place::default(),
        whom: now.into(),
        detail: (*group).clone(),
    };
    let joined = joined.iter().map(|group| deed(Action::Joined, group));
    let deeds: Vec<Deed> = joined.chain(left.iter().map(|group| deed(Action::Left, group))).collect();
    audit::record(tx, &deeds).await
}

/// Called in the transaction in which somebody was given another name.
pub async fn renamed(tx: &Tx, by: Party, was: &Principal, name: &str) -> Result<(), Error> {
    let (whom, detail) = (was.into(), name.to_owned());
    let (owner, place) = (Party::default(), Place::default());
    audit::record(tx, &[Deed { actor: by, action: Action::Renamed, owner, place, whom, detail }]).await
}

/// The groups that are new, and those that are gone.
fn difference<'a>(before: &'a [String], now: &'a [String]) -> (Vec<&'a String>, Vec<&'a String>) {
    let without =
        |these: &'a [String], those: &[String]| these.iter().filter(|g| !those.contains(g)).collect();
    (without(now, before), without(before, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_and_who_goes_is_told_apart() {
        let [a, b, c] = ["a", "b", "c"].map(str::to_owned);
        let (before, now) = ([a.clone(), b.clone()], [b, c.clone()]);
        assert_eq!(difference(&before, &now), (vec![&c], vec![&a]));
        assert_eq!(difference(&now, &now), (vec![], vec![]));
    }
}

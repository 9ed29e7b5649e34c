//! What the holder of a home's token has heard, held against what there is: which names are gone for them, and what they
//! know of each collection (RFC 6578 §3.5, docs/decisions/0020).

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::{
    model::{HomeToken, Part},
    store::change::Grave,
};

use crate::dav::{Refusal, condition::VALID_SYNC_TOKEN};

use super::sync_collection::Level;

/// Names that went since a token; a client that has missed more starts anew.
pub const MOST_GONE: u16 = 10_000;

/// What is to be told before the collections, and what the client knows of these.
#[derive(Debug, PartialEq, Eq)]
pub struct Plan {
    /// Names that are gone, each with the home's revision when it went.
    pub gone: Vec<(String, i64)>,
    /// The token that the answer works on: what is told is entered there.
    pub token: HomeToken,
    /// Where the client stood, if it has seen anything.
    pub before: Option<Before>,
}

/// What a client has seen that is of use until it has heard which names are gone.
#[derive(Debug, PartialEq, Eq)]
pub struct Before {
    /// The revision of the home.
    pub revision: i64,
    /// Collections that are gone, or another to the client once it has heard that they lost their names at these revisions.
    pub others: Vec<(i64, Part, i64)>,
}

/// Holds what the client has seen (nothing, if `token` is none) against what there is: `now`, under these names, and the names
/// that went since. Tokens under which a member would be lost, or would stay for ever, are refused.
pub fn plan(
    token: Option<&HomeToken>,
    now: &HomeToken,
    graves: &[Grave],
    names: &BTreeMap<i64, String>,
    level: Level,
) -> Result<Plan, Refusal> {
    if graves.len() >= MOST_GONE.into() {
        return Err(VALID_SYNC_TOKEN.into());
    }
    let graves = before_names(graves, now, names);
    // Names may have gone after the home was looked at.
    let revision = graves.last().map_or(now.revision, |grave| grave.revision.max(now.revision));
    let Some(token) = token else {
        let token = HomeToken { revision, parts: BTreeMap::new(), ..*now };
        return Ok(Plan { gone: Vec::new(), token, before: None });
    };
    let bound: HashSet<&str> = names.values().map(String::as_str).collect();
    // The first name that a collection lost is the one by which the client knows it.
    let known_as: HashMap<i64, &Grave> =
        graves.iter().rev().map(|grave| (grave.calendar_id, grave)).collect();
    let (mut parts, mut others) = (BTreeMap::new(), Vec::new());
    for (&id, &part) in &token.parts {
        // Where the server says other things of itself, every collection has to be looked at again.
        let part = if token.outline == now.outline { part } else { Part { itself: None, ..part } };
        match known_as.get(&id) {
            Some(grave) if names.get(&id) != Some(&grave.name) => {
                // Its members went with the name, and what has the name now has others: nobody knows theirs any more.
                if level == Level::Infinite && bound.contains(grave.name.as_str()) {
                    return Err(VALID_SYNC_TOKEN.into());
                }
                others.push((id, part, grave.revision));
            }
            _ => drop(parts.insert(id, part)),
        }
    }
    // A name that went more than once is told once.
    let last: HashMap<&str, i64> = graves.iter().map(|grave| (grave.name.as_str(), grave.revision)).collect();
    let told = |grave: &&Grave| {
        !bound.contains(grave.name.as_str()) && last.get(grave.name.as_str()) == Some(&grave.revision)
    };
    let gone = graves.iter().filter(told).map(|grave| (grave.name.clone(), grave.revision)).collect();
    let before = Before { revision: token.revision, others };
    Ok(Plan { gone, token: HomeToken { revision, parts, ..*now }, before: Some(before) })
}

/// The names that had gone when the collections were found under `names`, which was between looking at the home and at the
/// graves: what has gone later is told the next time.
fn before_names<'a>(graves: &'a [Grave], now: &HomeToken, names: &BTreeMap<i64, String>) -> &'a [Grave] {
    let later =
        |grave: &Grave| grave.revision > now.revision && names.get(&grave.calendar_id) == Some(&grave.name);
    &graves[..graves.iter().position(later).unwrap_or(graves.len())]
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const OLD: i64 = 10;

    fn token(revision: i64, parts: &[(i64, i64)]) -> HomeToken {
        let parts = parts.iter().map(|&(id, revision)| (id, Part::whole(revision))).collect();
        HomeToken { key: Uuid::from_u128(7), outline: 1, revision, parts }
    }

    fn graves(of: &[(i64, &str, i64)]) -> Vec<Grave> {
        let grave = |&(revision, name, calendar_id): &(i64, &str, i64)| Grave {
            revision,
            name: name.to_owned(),
            calendar_id,
        };
        of.iter().map(grave).collect()
    }

    fn names(of: &[(i64, &str)]) -> BTreeMap<i64, String> {
        of.iter().map(|&(id, name)| (id, name.to_owned())).collect()
    }

    /// What a client hears that has seen the calendars 1 (a) and 2 (b): the names that are gone, and what it still knows.
    fn heard(of: &[(i64, &str, i64)], now: &[(i64, &str)], level: Level) -> Option<(Vec<String>, Vec<i64>)> {
        let (seen, now_at) = (token(OLD, &[(1, 5), (2, 5)]), token(20, &[]));
        let plan = plan(Some(&seen), &now_at, &graves(of), &names(now), level).ok()?;
        Some((plan.gone.into_iter().map(|(name, _)| name).collect(), plan.token.parts.into_keys().collect()))
    }

    fn told(gone: &[&str], known: &[i64]) -> (Vec<String>, Vec<i64>) {
        (gone.iter().map(|&name| name.to_owned()).collect(), known.to_vec())
    }

    #[test]
    fn a_name_that_is_gone_is_told_once_and_one_that_came_back_is_not() {
        for level in [Level::One, Level::Infinite] {
            assert_eq!(heard(&[(11, "a", 1)], &[(2, "b")], level), Some(told(&["a"], &[2])));
            // Deleted, made anew, deleted again; and one that the client never saw.
            let twice = [(11, "a", 1), (13, "c", 3), (15, "a", 4)];
            assert_eq!(heard(&twice, &[(2, "b")], level), Some(told(&["c", "a"], &[2])));
            // A calendar that was made and deleted under a name that the client does not know, and is there again.
            assert_eq!(
                heard(&[(12, "c", 3)], &[(1, "a"), (2, "b"), (4, "c")], level),
                Some(told(&[], &[1, 2]))
            );
        }
    }

    #[test]
    fn what_was_made_anew_is_changed_and_where_its_old_members_would_stay_the_token_is_refused() {
        let (gone, now) = ([(11, "a", 1)], [(2, "b"), (3, "a")]);
        assert_eq!(heard(&gone, &now, Level::One), Some(told(&[], &[2])));
        assert_eq!(heard(&gone, &now, Level::Infinite), None);
    }

    #[test]
    fn a_renamed_collection_is_gone_under_the_old_name_and_new_under_the_new_one() {
        for level in [Level::One, Level::Infinite] {
            assert_eq!(heard(&[(11, "a", 1)], &[(1, "z"), (2, "b")], level), Some(told(&["a"], &[2])));
            assert_eq!(
                heard(&[(11, "a", 1), (12, "z", 1)], &[(1, "y"), (2, "b")], level),
                Some(told(&["a", "z"], &[2]))
            );
            // There and back: the client knows it as it is.
            assert_eq!(
                heard(&[(11, "a", 1), (12, "z", 1)], &[(1, "a"), (2, "b")], level),
                Some(told(&["z"], &[1, 2]))
            );
        }
        // Two that changed their names with each other.
        let swapped = [(11, "a", 1), (12, "b", 2), (13, "x", 1)];
        assert_eq!(heard(&swapped, &[(1, "b"), (2, "a")], Level::One), Some(told(&["x"], &[])));
        assert_eq!(heard(&swapped, &[(1, "b"), (2, "a")], Level::Infinite), None);
    }

    #[test]
    fn one_who_has_seen_nothing_hears_of_nothing_that_is_gone() {
        let now = token(20, &[(1, 5)]);
        let plan = plan(None, &now, &[], &names(&[(1, "a")]), Level::One).unwrap();
        assert!(plan.gone.is_empty() && plan.token.parts.is_empty() && plan.before.is_none());
        assert_eq!(plan.token.revision, 20);
    }

    #[test]
    fn a_name_that_went_after_the_collections_were_looked_at_is_told_the_next_time() {
        let (seen, now) = (token(OLD, &[(1, 5), (2, 5)]), token(20, &[]));
        let told = |of: &[(i64, &str, i64)], first: &str| {
            let names = names(&[(1, first), (2, "b")]);
            let plan = plan(Some(&seen), &now, &graves(of), &names, Level::Infinite).unwrap();
            (plan.gone.len(), plan.token.parts.contains_key(&1), plan.token.revision)
        };
        assert_eq!(told(&[(21, "a", 1)], "a"), (0, true, 20), "called otherwise, or deleted, since");
        assert_eq!(told(&[(21, "a", 1), (22, "y", 1)], "a"), (0, true, 20));
        assert_eq!(told(&[(21, "a", 1), (22, "y", 1)], "y"), (1, false, 21), "in between");
        assert_eq!(told(&[(21, "a", 1), (22, "y", 1)], "z"), (2, false, 22), "before");
        assert_eq!(told(&[(19, "a", 1), (20, "y", 1)], "a"), (1, true, 20), "there and back before that");
        let first = plan(
            None,
            &now,
            &graves(&[(21, "a", 1), (22, "b", 2)]),
            &names(&[(1, "y"), (2, "b")]),
            Level::One,
        );
        assert_eq!(
            first.unwrap().token.revision,
            21,
            "nor is it left out of what one who sees all for the first time has seen"
        );
    }

    #[test]
    fn where_the_server_says_other_things_of_itself_every_collection_is_looked_at_again() {
        let (seen, now) = (token(OLD, &[(1, 5)]), HomeToken { outline: 2, ..token(OLD, &[(1, 5)]) });
        let plan = plan(Some(&seen), &now, &[], &names(&[(1, "a")]), Level::Infinite).unwrap();
        assert_eq!(plan.token.parts[&1], Part { members: Some(5), itself: None });
        assert_eq!(plan.token.outline, 2);
    }

    #[test]
    fn one_who_has_missed_too_much_starts_anew() {
        let many: Vec<Grave> = graves(&[(11, "a", 1)]).into_iter().cycle().take(MOST_GONE.into()).collect();
        let plan = plan(Some(&token(OLD, &[])), &token(20, &[]), &many, &names(&[]), Level::One);
        assert_eq!(plan, Err(VALID_SYNC_TOKEN.into()));
    }
}

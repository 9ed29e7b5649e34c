//! A person is erased, with all that they have: by whoever runs the server, or by themselves where the settings let them
//! (docs/decisions/0041).

use std::sync::Arc;

use crate::{
    dav::{Cx, Error, Refusal, Result, sharing::props::mailto},
    db::{self, Pool, Tx},
    front::{Response, Status},
    store::{
        Principal,
        audit::{self, Action, Deed, Party, Place},
        erasure, handover, notification, principal,
    },
    xml::{Element, Name},
};

use super::{everywhere, marks};

/// What somebody who wants to be erased sends to their home.
const ERASE: Name = Name::own("erase");
/// In it their user name, so that nobody sends it by accident.
const NAME: Name = Name::own("name");
/// There, too: that they be taken out of the calendars of others as well.
const EVERYWHERE: Name = Name::own("everywhere");

/// Entries of a log that one transaction changes.
const AT_ONCE: i64 = 1000;
/// Homes whose notifications one statement looks through.
const HOMES: i64 = 100;

/// Whether a body is such a wish.
#[must_use]
pub fn is_wish(root: &Element) -> bool {
    root.is(ERASE)
}

/// Erases the owner of the home that the request is about, who is asking, and nobody else.
pub async fn themselves(cx: &Cx, owner: &Principal, root: &Element) -> Result<Response> {
    let refused = |why| Err(Refusal::plain(Status::FORBIDDEN, why).into());
    if owner.id != cx.viewer.principal.id || cx.viewer.program {
        return refused("people erase themselves, and do not by a password of a program");
    }
    if !cx.settings.privacy.erasure {
        return refused("people are erased by whoever runs the server");
    }
    if root.child(NAME).is_none_or(|name| name.text().trim() != owner.name) {
        return Err(
            Refusal::bad_request("K:name says who is to be erased: the user name of whoever asks").into()
        );
    }
    let (id, elsewhere) = (owner.id, root.child(EVERYWHERE).is_some());
    cx.pool
        .transaction(async |tx: Arc<Tx>| {
            principal::one_at_a_time(&tx).await?;
            let who = principal::by_id_in(&tx, id).await?.ok_or_else(Refusal::not_found)?;
            erase(&tx, &who, Party::named("(themselves)"), elsewhere).await?;
            Ok::<_, Error>(())
        })
        .await?;
    if let Err(error) = wipe(&cx.pool).await {
        // It is remembered, and done within the hour.
        tracing::warn!(%error, "what others have of somebody who was erased is still there");
    }
    if elsewhere {
        everywhere::start(&cx.pool);
    }
    Ok(Response::new(Status::NO_CONTENT))
}

/// Erases a person; of them there is a number left, and no more, when [`wipe`] is done behind the commit. Where they are to be
/// taken out of the calendars of others as well, that is kept in mind, and done by [`everywhere::run`].
pub async fn erase(tx: &Tx, who: &Principal, by: Party, elsewhere: bool) -> Result<(), db::Error> {
    handover::patience(tx).await?;
    if elsewhere {
        erasure::ask(tx, &everywhere::known_by(who)).await?;
    }
    handover::purge(tx, who.id, &told(who)).await?;
    let whom = Party::named(&format!("(number {})", who.id));
    let detail = if elsewhere { "everywhere" } else { "" }.to_owned();
    let (owner, place) = (Party::default(), Place::default());
    audit::record(tx, &[Deed { actor: by, action: Action::Purged, owner, place, whom, detail }]).await
}

/// Does away with what others have of those who were erased, a little at a time: nobody waits for it, and whoever is interrupted
/// leaves the rest to the next.
pub async fn wipe(pool: &Pool) -> Result<(), db::Error> {
    for (id, marks) in &handover::remembered(pool).await? {
        while pool.transaction(async |tx: Arc<Tx>| handover::anonymise(&tx, *id, AT_ONCE).await).await? > 0 {}
        let mut last = 0;
        loop {
            let homes = handover::named(pool, last, HOMES, marks).await?;
            for (home, _) in homes.iter().filter(|(_, named)| *named) {
                pool.transaction(async |tx: Arc<Tx>| notification::silence(&tx, *home, marks).await).await?;
            }
            match homes.last() {
                Some((home, _)) => last = *home,
                None => break,
            }
        }
        pool.transaction(async |tx: Arc<Tx>| handover::forgotten(&tx, *id).await).await?;
    }
    Ok(())
}

/// What names a person in the notifications of others: the path of their principal, and their address as it is written there,
/// which is the end of no other.
fn told(who: &Principal) -> Vec<String> {
    let address = |email: &String| format!(">{}<", mailto(email).replace('&', "&amp;"));
    let paths = marks(who).into_iter().filter(|mark| mark.starts_with('/'));
    paths.chain(who.email.as_ref().map(address)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_looked_for_as_it_is_written() {
        let who = |email: &str| Principal {
            id: 1,
            name: "n n".to_owned(),
            email: Some(email.to_owned()),
            ..Principal::default()
        };
        let paths = ["/principals/n n/", "/principals/n%20n/"];
        for (email, written) in [
            ("n@example.org", ">mailto:n@example.org<"),
            ("a&b?c%d@example.org", ">mailto:a&amp;b%3Fc%25d@example.org<"),
        ] {
            assert_eq!(told(&who(email)), [paths[0], paths[1], written]);
        }
    }
}

//! What the REST service keeps of people follows them: when they are called otherwise, hand calendars over, or are erased.
//! In a database without its schema there is nothing to follow.

use uuid::Uuid;

use crate::{
    api::store::follow,
    db::{Error, Pool, Tx},
    store::{Principal, handover::Parcel, principal},
};

/// Somebody has another name.
pub(super) async fn called(tx: &Tx, id: i64, name: &str) -> Result<(), Error> {
    match of(tx, id).await? {
        Some(person) => follow::called(tx, person, name).await,
        None => Ok(()),
    }
}

/// Calendars are somebody else's: the links to them, too.
pub(super) async fn hand_over(
    tx: &Tx,
    (from, to): (i64, &Principal),
    parcels: &[Parcel],
) -> Result<(), Error> {
    let (Some(person), Some(heir)) = (of(tx, from).await?, of(tx, to.id).await?) else { return Ok(()) };
    let ids: Vec<i64> = parcels.iter().map(|parcel| parcel.id).collect();
    let keys = principal::calendar_keys(tx, to.id, &ids).await?;
    let key = |parcel: &Parcel| Some((*keys.get(&parcel.id)?, parcel.to.clone()));
    let places: Vec<(Uuid, String)> = parcels.iter().filter_map(key).collect();
    follow::hand_over(tx, person, (heir, &to.name), &places).await
}

/// Somebody is erased.
pub(super) async fn forget(tx: &Tx, id: i64) -> Result<(), Error> {
    match of(tx, id).await? {
        Some(person) => follow::forget(tx, person).await,
        None => Ok(()),
    }
}

/// Forgets what is kept of who is no more, but was erased where this could not follow: CalDAV had done it, and then the process
/// ended, or was not told. Says of how many people.
pub async fn sweep(pool: &Pool) -> Result<u64, Error> {
    let (mut count, mut after) = (0, Uuid::nil());
    loop {
        let tx = pool.begin().await?;
        if !follow::is_there(&tx).await? {
            return Ok(0);
        }
        // Whoever is seen now was somebody before: who is nobody afterwards is so for ever.
        let kept = follow::kept(&tx, after).await?;
        let Some(last) = kept.last() else { return Ok(count) };
        after = *last;
        let alive = principal::alive(&tx, &kept).await?;
        for person in kept.iter().filter(|person| !alive.contains(*person)) {
            follow::forget(&tx, *person).await?;
            count += 1;
        }
        tx.commit().await?;
    }
}

/// By what the REST service knows somebody, if it keeps anything here.
async fn of(tx: &Tx, id: i64) -> Result<Option<Uuid>, Error> {
    if !follow::is_there(tx).await? {
        return Ok(None);
    }
    principal::key_in(tx, id).await
}

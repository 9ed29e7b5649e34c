//! Who is told that their quota is nearly or wholly used up (caldav-notifications §5.2, docs/decisions/0030): each level once,
//! until it is left.

use std::sync::Arc;

use jiff::Timestamp;

use crate::{
    config::Settings,
    dav::{
        Target,
        target::{self, Space},
    },
    db::{Error, Pool, Tx},
    share::notification::{self, Fullness},
    store::notification::{Home, fullness, level_told, put, remove},
};

/// What a quota may be used to before its owner is told, in hundredths.
const NEARLY: u64 = 80;
/// Homes that are looked up at once.
const AT_ONCE: i64 = 1000;
/// There is one of them in a home.
const NAME: &str = "quota.xml";

/// Tells everybody whose home has come to another level since it was looked last; says how many.
pub async fn tell(pool: &Pool, settings: &Settings) -> Result<u64, Error> {
    let quota = *settings.calendar.quota as u64;
    if quota == 0 {
        return Ok(0);
    }
    let space = Space::new(&settings.server.base_paths, settings.identity.fold_case);
    let levels = [octets(quota.saturating_mul(NEARLY).div_ceil(100)), octets(quota)];
    let mut count = 0;
    loop {
        let homes = fullness(pool, levels, AT_ONCE).await?;
        if homes.is_empty() {
            return Ok(count);
        }
        for home in &homes {
            let percent = u128::try_from(home.octets).unwrap_or(0) * 100 / u128::from(quota);
            let href = target::href(space.base(), &Target::Home(home.name.clone()));
            let told = Fullness { href: &href, percent: u64::try_from(percent).unwrap_or(u64::MAX) };
            count += u64::from(pool.transaction(async |tx: Arc<Tx>| tell_one(&tx, home, told).await).await?);
        }
    }
}

async fn tell_one(tx: &Tx, home: &Home, told: Fullness<'_>) -> Result<bool, Error> {
    if !level_told(tx, home).await? {
        return Ok(false);
    }
    if home.level == 0 {
        remove(tx, home.id, NAME).await?;
    } else {
        put(tx, home.id, &notification::quota(NAME, Timestamp::now(), told)).await?;
    }
    Ok(true)
}

fn octets(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

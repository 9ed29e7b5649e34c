//! Which product a database is of, and the reader for it.

use anyhow::{Result, bail};

use super::{
    base::Base,
    davical,
    sabre::{Product, Reader},
    shelf::Shelf,
};

/// Tables that are named where nothing is known of a database.
const SHOWN: usize = 12;

/// Reads the calendars of everybody, or of whoever is called `only` there.
pub async fn read(base: &Base, only: Option<&str>, shelf: &mut Shelf<'_>) -> Result<()> {
    let tables = base.tables().await?;
    let any = if matches!(base, Base::Postgres(_))
        && davical::TABLES.iter().all(|name| tables.contains(*name))
    {
        davical::read(base, &tables, only, shelf).await?
    } else if let Some(product) = Product::of(&tables) {
        Reader::new(base, &tables, product).read(only, shelf).await?
    } else {
        let some: Vec<&str> = tables.iter().take(SHOWN).map(String::as_str).collect();
        bail!(
            "no calendars of a product that is known here: DAViCal has usr, principal, collection, caldav_data and grants (in \
             PostgreSQL), SabreDAV and Baikal have principals, calendars and calendarobjects, Nextcloud and ownCloud have \
             oc_calendars, oc_calendarobjects and oc_dav_shares; there {} {} {}",
            if tables.len() == 1 { "is" } else { "are" },
            if tables.is_empty() { "no tables".to_owned() } else { some.join(", ") },
            if tables.len() > SHOWN { "and others" } else { "" },
        );
    };
    match only {
        Some(only) if !any => bail!("nobody is called {only:?} there: --login says what they are called"),
        _ => Ok(()),
    }
}

//! What `kalends import` brings from elsewhere than a folder: it is read into one first.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{
    caldav::import::fresh,
    config::{Database, Settings, Span, Tls},
    db::Pool,
    front,
    import::{
        account::{self, Account},
        base::Base,
        bases, dump,
        origin::Origin,
        packed,
        shelf::{Person, Shelf},
    },
};

use super::import::Order;

/// Where passwords are told: arguments can be read by others.
pub const PASSWORD: &str = "KALENDS_IMPORT_PASSWORD";
/// A database may be asked for as long as it takes.
const LONG: u64 = 86_400;

/// What was read, in a folder that goes with this, unless it is to be kept.
pub struct Fetched {
    /// The folder.
    pub folder: PathBuf,
    /// How much could not be read.
    pub problems: u64,
    kept: bool,
}

impl Drop for Fetched {
    fn drop(&mut self) {
        if !self.kept
            && let Err(error) = fs::remove_dir_all(&self.folder)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            eprintln!("{} is left behind: {error}", self.folder.display());
        }
    }
}

/// Reads what is there.
pub async fn fetch(settings: &Settings, order: &Order, origin: &Origin) -> Result<Fetched> {
    let usual = || std::env::temp_dir().join(format!("kalends-import-{}", fresh()));
    let folder = order.keep.clone().unwrap_or_else(usual);
    let mut fetched = Fetched { folder, problems: 0, kept: order.keep.is_some() };
    if let Origin::Packed(file) = origin {
        packed::unpack(file, &fetched.folder)?;
        return Ok(fetched);
    }
    // Whose calendars they become is known, where one person's are fetched.
    let spell = |name: &str| match &order.user {
        Some(user) if Some(name) == order.login() => Ok(user.clone()),
        _ => front::spell(&settings.identity, name).map_err(str::to_owned),
    };
    let mut tell = |line: &str| println!("{line}");
    let mut shelf = Shelf::new(&fetched.folder, &spell, &mut tell)?;
    let only = order.login();
    match origin {
        Origin::Dav(url) => {
            let Some(login) = only else {
                bail!("say whose calendars they become: kalends import USER --from {url}")
            };
            let password = password(order)?;
            let password = password
                .with_context(|| format!("{login} needs a password: {PASSWORD}, or --password-file"))?;
            let account =
                Account { url, login, password: &password, ca: order.ca.as_deref().unwrap_or(Path::new("")) };
            let who = Person { name: login.to_owned(), ..Person::default() };
            account::fetch(&account, &who, &mut shelf).await?;
        }
        Origin::Postgres(url) => {
            let pool = pool(url, order)?;
            bases::read(&Base::postgres(&pool).await?, only, &mut shelf).await?;
            pool.close();
        }
        Origin::Lite(file) => bases::read(&Base::lite(file)?, only, &mut shelf).await?,
        Origin::Dump(file) => {
            let beside = Beside(std::env::temp_dir().join(format!("kalends-dump-{}", fresh())));
            dump::read(file, &beside.0)?;
            bases::read(&Base::lite(&beside.0)?, only, &mut shelf).await?;
        }
        Origin::Folder(_) | Origin::Packed(_) => {}
    }
    fetched.problems = shelf.problems;
    Ok(fetched)
}

/// A file that goes with this.
struct Beside(PathBuf);

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn password(order: &Order) -> Result<Option<String>> {
    match &order.password_file {
        Some(file) => {
            let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
            Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
        }
        None => Ok(std::env::var(PASSWORD).ok()),
    }
}

/// The way to a PostgreSQL of somebody else.
fn pool(url: &str, order: &Order) -> Result<Pool> {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let open = authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'));
    if open || rest.contains("password=") {
        bail!(
            "a password in an address can be read by others: take it out, and put it into {PASSWORD} or a file (--password-file)"
        );
    }
    let mut url = url.to_owned();
    if let Some(password) = password(order)? {
        url.push(if url.contains('?') { '&' } else { '?' });
        url = format!("{url}password={}", utf8_percent_encode(&password, NON_ALPHANUMERIC));
    }
    let tls = if order.ca.is_some() { Tls::VerifyFull } else { Tls::Prefer };
    let settings = Database {
        url: url.into(),
        pool_size: 1,
        statement_time: Span::seconds(LONG),
        ca_file: order.ca.clone().unwrap_or_default(),
        tls,
        ..Database::default()
    };
    Pool::new(&settings).context("--from")
}

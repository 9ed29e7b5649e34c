//! The REST service in a process: its listener, its schema, and where it finds CalDAV.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use tokio::sync::watch;

use crate::{
    api::{
        caldav::CalDav,
        service::{Api, BASE},
    },
    config::{Listen, Settings, exposure},
    db::{
        Pool,
        migrate::{self as migrations, API, API_SCHEMA},
    },
    front::{self, Client, Door, Entitlements, Listener},
};

use super::{OUTDATED, Part};

/// Where `kalends up` listens when nothing else is said.
const USUAL: ([u8; 4], u16) = ([127, 0, 0, 1], 8010);

/// Lets the service be there where nobody has said anything of it, unless somebody else has the address, or could be anybody
/// there.
pub(super) fn offer(settings: &mut Settings) {
    if settings.api.listen.is_some() {
        return;
    }
    let address = USUAL.into();
    match std::net::TcpListener::bind(address) {
        _ if exposure(address, settings).is_some() => {}
        Ok(_) => settings.api.listen = Some(Listen::Tcp(address)),
        Err(error) => tracing::warn!(%error, "there is no REST service: {address} is taken; set api.listen"),
    }
}

/// Opens its listener, when its schema is there. CalDAV is where the settings say, or at these.
pub(super) async fn open(
    settings: &Arc<Settings>,
    pool: &Pool,
    caldav: &[Listener],
    entitlements: &Arc<Entitlements>,
    stopping: watch::Receiver<bool>,
) -> Result<(Listener, Api)> {
    let Some(listen) = &settings.api.listen else {
        bail!("api.listen is not set: name an address for the REST service, as 127.0.0.1:8010")
    };
    migrations::migrate_in(pool, API_SCHEMA, API).await.context(OUTDATED)?;
    let client = client(settings, caldav)?;
    let listener = Listener::of(Door::Rest, listen, settings)?;
    let caldav = CalDav::new(client, &settings.server.base_paths[0], &settings.identity);
    let api = Api::new(Arc::clone(settings), pool.clone(), caldav, Arc::clone(entitlements));
    if let Some(listen) = &settings.api.fastcgi {
        let door = Listener::of(Door::Check, listen, settings)?;
        tokio::spawn(front::authorize(door, api.checker(), super::stopped(stopping)));
    }
    Ok((listener, api))
}

fn client(settings: &Settings, caldav: &[Listener]) -> Result<Client> {
    let patience = *settings.api.caldav_time;
    if !settings.api.caldav.is_empty() {
        return Ok(Client::new("api.caldav", &settings.api.caldav, patience)?);
    }
    let plain = settings.server.tls_certificate.as_os_str().is_empty();
    let places = caldav.iter().filter_map(Listener::place);
    let usable = places.filter(|place| plain || matches!(place, Listen::Unix(_)));
    // A socket before an address: nothing else on the machine can be in its place.
    let best = usable.max_by_key(|place| matches!(place, Listen::Unix(_)));
    best.and_then(|place| Client::of(&place, patience)).context(
        "api.caldav is not set, and there is no listener here that speaks HTTP without TLS: set api.caldav to where CalDAV \
         listens, or add a Unix socket to server.listen",
    )
}

/// What a person is told who has just started it.
pub(super) fn welcome(settings: &Settings, part: Part) -> String {
    let rest = settings.api.listen.as_ref().map(|listen| match listen {
        Listen::Tcp(address) => format!("http://{address}{BASE}"),
        other => other.to_string(),
    });
    match (part, rest) {
        (Part::Rest, rest) => {
            format!("The REST service of kalends is listening on {}.", rest.unwrap_or_default())
        }
        (Part::All, None) => super::welcome(settings),
        (Part::All, Some(rest)) => {
            format!("{}\nThe REST service is at {rest}, as in {rest}users/me/", super::welcome(settings))
        }
    }
}

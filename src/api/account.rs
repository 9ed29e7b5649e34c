//! All that is kept of a person: taken along as an archive that is sent while it is read, or erased (docs/decisions/0041).

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::Value;
use tracing::Instrument;
use zip::result::ZipError;

use crate::{
    db,
    front::{Answered, Feeder, HeaderMap, HeaderName, HeaderValue, Payload, Response, Status, header},
    xml::{Name, Writer},
};

use super::{
    caldav::{As, CalDav, Resource},
    calendars::{Calendar, Home},
    error::{Error, Refusal, Result},
    export::{WAITING, attachment},
    input::{Change, Faults},
    links, passwords,
    records::Records,
    service::{Call, Shared},
    shares,
    store::follow,
    users::{self, User},
    zip::Zip,
};

/// Characters of the name of a user.
const LONGEST_NAME: usize = 255;

/// What somebody sends who wants to be erased.
pub const ERASURE: &str = "Erasure";
/// How often it is tried to forget who is erased, and how long after it failed.
const MOST_TRIES: u32 = 60;
const BREATH: Duration = Duration::from_secs(2);

const KIND: Name = Name::dav("resourcetype");

/// What is in an archive, and where CalDAV has it.
struct Archive {
    /// Files that are at hand.
    files: Vec<(String, Bytes)>,
    calendars: Vec<Calendar>,
    home: String,
    principal: String,
}

/// `GET account/export/`
pub async fn export(call: &Call) -> Result<Response> {
    let place = call.exporting()?;
    let (user, home) = (User::asking(call).await?, Home::of(call).await?);
    let path = home.path.clone();
    let told: Value = home.calendars().iter().map(|calendar| calendar.shown.clone()).collect();
    let calendars = home.own();
    let mut shared = serde_json::Map::new();
    for calendar in &calendars {
        shared.insert(calendar.id.to_string(), shares::shown(call, calendar).await?.into());
    }
    let mut files = vec![
        ("calendars.json".to_owned(), Bytes::from(told.to_string())),
        ("shares.json".to_owned(), Bytes::from(Value::Object(shared).to_string())),
    ];
    let person = users::settings(call, &user).await?;
    files.push(("person.json".to_owned(), Bytes::from(person.to_string())));
    for (name, answer) in
        [("app-passwords.json", passwords::list(call).await?), ("links.json", links::list(call).await?)]
    {
        if let Payload::Full(octets) = answer.payload {
            files.push((name.to_owned(), octets));
        }
    }
    let caldav = call.caldav()?;
    let (service, headers) = (caldav.service().clone(), caldav.headers().clone());
    let archive = Archive { files, calendars, home: path, principal: service.principal(&user.name) };
    let (feeder, feed) = Payload::stream(WAITING);
    let relay = async move {
        let _place = place;
        match archive.write(&service.with(headers), &feeder).await {
            Ok(()) => feeder.finish(),
            Err(error) => tracing::warn!(?error, "an export of somebody's calendars was cut off"),
        }
    };
    tokio::spawn(relay.in_current_span());
    Ok(Response::new(Status::OK)
        .stream("application/zip", feed)
        .with(header::CONTENT_DISPOSITION, attachment("calendars", "zip")))
}

/// `DELETE account/`: everything of whoever asks, who says their own name.
pub async fn erase(call: &Call) -> Result<Response> {
    // A password of a program is not the person.
    if call.identity()?.scope.is_some() {
        return Err(Refusal::forbidden().into());
    }
    let mut faults = Faults::default();
    let confirmed = call.input.text("confirm", LONGEST_NAME, &mut faults);
    let everywhere = call.input.flag("everywhere", &mut faults);
    faults.none()?;
    let user = User::asking(call).await?;
    match confirmed {
        Change::Set(name) if name == user.name => {}
        Change::Set(_) => {
            return Err(Error::field("confirm", "invalid", "It is not the user name of whoever asks."));
        }
        Change::Kept | Change::Cleared => {
            return Err(Error::field(
                "confirm",
                "required",
                "Say your user name to erase all that you have.",
            ));
        }
    }
    // It is gone on with where nobody waits for the answer any more: what is half done would be nobody's.
    tokio::spawn(Leaving::of(call, user, everywhere == Some(true))?.leave())
        .await
        .map_err(|error| Error::Fault(error.to_string()))?
}

/// Somebody who is being erased. Neither a connection of the pool nor a row is held while CalDAV does its part, which needs both.
struct Leaving {
    shared: Arc<Shared>,
    caldav: CalDav,
    headers: HeaderMap,
    user: User,
    everywhere: bool,
}

impl Leaving {
    fn of(call: &Call, user: User, everywhere: bool) -> Result<Self> {
        let (shared, asking) = (Arc::clone(&call.shared), call.caldav()?);
        let caldav = asking.service().patient(*shared.settings.privacy.erasure_time);
        Ok(Self { caldav, headers: asking.headers().clone(), shared, user, everywhere })
    }

    async fn leave(self) -> Result<Response> {
        let mut w = Writer::new(Name::own("erase"));
        w.element(Name::own("name"), &self.user.name);
        if self.everywhere {
            w.empty(Name::own("everywhere"));
        }
        let _alone = self.shared.erasing.lock().await;
        let (caldav, home) = (self.caldav.with(self.headers.clone()), self.caldav.home(&self.user.name));
        let told = caldav.ask("POST", &home, Vec::new(), w.finish()).await?;
        if told.status == Status::FORBIDDEN {
            let detail = "Accounts are erased by whoever runs this service.";
            return Err(Refusal::new(Status::FORBIDDEN, "permission_denied", detail).into());
        }
        told.done()?;
        let mut tries = 0;
        while let Err(error) = self.forget().await {
            tracing::warn!(%error, "links and passwords of who is erased could not be forgotten yet");
            tries += 1;
            // A node that keeps the database tidy finds them (boot::upkeep).
            if tries == MOST_TRIES {
                return Err(error.into());
            }
            tokio::time::sleep(BREATH).await;
        }
        self.shared.checker.forget();
        tracing::info!("somebody erased themselves");
        Ok(Response::new(Status::NO_CONTENT))
    }

    async fn forget(&self) -> std::result::Result<(), db::Error> {
        let tx = self.shared.pool.begin().await?;
        follow::forget(&tx, self.user.id).await?;
        tx.commit().await
    }
}

impl Archive {
    /// Writes it: what is at hand, what CalDAV keeps of the person beside calendars, and each calendar as one file.
    async fn write(self, caldav: &As<'_>, feeder: &Feeder) -> Result<()> {
        let mut out = Out { feeder, zip: Zip::default() };
        for (name, octets) in &self.files {
            out.file(name, octets).await?;
        }
        for (name, path, depth) in [("person.xml", &self.principal, 0), ("home.xml", &self.home, 1)] {
            out.file(name, &all_properties(caldav, path, depth).await?).await?;
        }
        for (name, mut records) in [
            ("history.json", Records::of_home(&self.home)),
            ("audit.json", Records::of_person(&self.principal)),
        ] {
            out.begin(name).await?;
            while let Some(piece) = records.next(caldav).await? {
                out.piece(piece.as_bytes()).await?;
            }
        }
        for calendar in &self.calendars {
            let name = format!("{}.ics", calendar.id);
            out.answer(&name, caldav.stream(format!("{}?export", calendar.path)).await).await?;
        }
        for (folder, path) in [("trash", "trash/"), ("notifications", "notifications/")] {
            for member in members(caldav, &format!("{}{path}", self.home)).await? {
                let name = format!("{folder}/{}", member.name().replace(['/', '\\'], "_"));
                out.answer(&name, caldav.stream(member.path).await).await?;
            }
        }
        send(feeder, out.zip.finish()?).await
    }
}

/// What is in a collection of CalDAV and is none itself; nothing where there is no such collection.
async fn members(caldav: &As<'_>, path: &str) -> Result<Vec<Resource>> {
    let found = caldav.glance(path, 1, &[KIND]).await?;
    let plain =
        |one: &Resource| one.path != path && one.prop(KIND).is_none_or(|kind| kind.children().len() == 0);
    Ok(found.into_iter().filter(plain).collect())
}

/// All that is said of a resource and its members, as CalDAV says it.
async fn all_properties(caldav: &As<'_>, path: &str, depth: u16) -> Result<Bytes> {
    let mut w = Writer::new(Name::dav("propfind"));
    w.empty(Name::dav("allprop"));
    let depth = (HeaderName::from_static("depth"), HeaderValue::from(depth));
    Ok(caldav.ask("PROPFIND", path, vec![depth], w.finish()).await?.done()?.body)
}

/// An archive on its way to whoever wants it.
struct Out<'a> {
    feeder: &'a Feeder,
    zip: Zip,
}

impl Out<'_> {
    async fn begin(&mut self, name: &str) -> Result<()> {
        self.zip.begin(name)?;
        self.pass_on().await
    }

    async fn piece(&mut self, octets: &[u8]) -> Result<()> {
        self.zip.piece(octets)?;
        self.pass_on().await
    }

    async fn file(&mut self, name: &str, octets: &[u8]) -> Result<()> {
        self.begin(name).await?;
        self.piece(octets).await
    }

    /// What CalDAV answers, as a file; what has gone meanwhile is none.
    async fn answer(&mut self, name: &str, answered: Result<Answered>) -> Result<()> {
        let mut answered = match answered {
            Err(Error::Refused(_)) => return Ok(()),
            other => other?,
        };
        self.begin(name).await?;
        while let Some(piece) = answered.next().await? {
            self.piece(&piece).await?;
        }
        Ok(())
    }

    async fn pass_on(&self) -> Result<()> {
        send(self.feeder, self.zip.taken()).await
    }
}

async fn send(feeder: &Feeder, octets: Bytes) -> Result<()> {
    if octets.is_empty() {
        return Ok(());
    }
    feeder.send(octets).await.map_err(|_| Error::Upstream("nobody takes it any more".into()))
}

impl From<ZipError> for Error {
    fn from(error: ZipError) -> Self {
        Self::Fault(format!("an archive cannot be written: {error}"))
    }
}

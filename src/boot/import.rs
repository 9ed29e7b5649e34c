//! `kalends import` and `kalends export`: calendars from another server, and the way there and back.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};

use crate::{
    caldav::{
        self,
        import::{Fault, Make, NOBODY, Over, Target},
    },
    config::Settings,
    db::{Pool, Tx},
    front,
    import::{
        Counts, Importer, Told, export,
        keep::{self, FOREIGN, Reader},
        origin::Origin,
        tree::{self, Found},
        why,
    },
    store::{Author, Known, Principal, Viewer, principal},
};

use super::{
    fetch::{Fetched, fetch},
    users::{find, open},
};

/// What becomes of what is there.
pub use crate::caldav::import::Existing;

/// What is imported.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// Whose home it goes to; nobody: the people an export tells of.
    pub user: Option<String>,
    /// The calendar that files go to.
    pub calendar: Option<String>,
    /// Files and folders; `-` is what is piped in.
    pub files: Vec<PathBuf>,
    /// A folder of calendars, or whatever else [`Origin`] knows.
    pub from: Option<String>,
    /// What they are called where it comes from, if not the same.
    pub login: Option<String>,
    /// A file with the password there.
    pub password_file: Option<PathBuf>,
    /// Authorities to trust there instead of the system's.
    pub ca: Option<PathBuf>,
    /// A folder in which what is read there is kept.
    pub keep: Option<PathBuf>,
    /// What becomes of what is there.
    pub existing: Existing,
    /// Whether nothing is written.
    pub dry: bool,
    /// Whether people of whom nobody has heard are made.
    pub create: bool,
}

impl Order {
    /// What the one person is called where it comes from.
    #[must_use]
    pub fn login(&self) -> Option<&str> {
        self.login.as_deref().or(self.user.as_deref())
    }
}

/// `kalends import`; whether everything went in.
pub fn import(file: Option<&Path>, order: &Order) -> Result<bool> {
    let mut whole = true;
    super::run(async {
        let (pool, settings) = open(file).await?;
        let terminal = io::stderr().is_terminal();
        let (unknown, coming) = (Vec::new(), HashSet::new());
        let mut site = Site { pool, settings, order, terminal, unknown, coming, fetched: None, left: 0 };
        let counts = site.import().await?;
        if order.dry {
            println!("Nothing was written. It would be this:");
        }
        println!("{counts}");
        for name in &site.unknown {
            println!("Not shared with {name}: nobody here is called so.");
        }
        let unread = site.fetched.as_ref().map_or(0, |fetched| fetched.problems);
        whole = counts.failed == 0 && site.unknown.is_empty() && unread + site.left == 0;
        Ok(())
    })?;
    Ok(whole)
}

struct Site<'a> {
    pool: Pool,
    settings: Settings,
    order: &'a Order,
    terminal: bool,
    unknown: Vec<String>,
    /// Who would be made, were it no trial.
    coming: HashSet<String>,
    fetched: Option<Fetched>,
    /// Calendars that cannot be here.
    left: u64,
}

impl Site<'_> {
    async fn import(&mut self) -> Result<Counts> {
        let order = self.order;
        match (&order.user, &order.calendar, &order.from) {
            (Some(user), Some(calendar), None) => {
                let who = self.person(user).await?;
                self.files(&who, calendar).await
            }
            (user, None, Some(from)) => {
                let who = match user {
                    Some(user) => Some(self.person(user).await?),
                    None => None,
                };
                let origin = Origin::of(from)?;
                let folder = match origin {
                    Origin::Folder(folder) => folder,
                    other => {
                        let fetched = fetch(&self.settings, order, &other).await?;
                        self.fetched.insert(fetched).folder.clone()
                    }
                };
                match who {
                    Some(who) => self.tree(&who, &folder, Counts::default()).await,
                    None => self.people(&folder).await,
                }
            }
            _ => bail!(
                "say a user, a calendar and files; or a user and --from; or, of everybody in an export or a database, --from alone"
            ),
        }
    }

    /// Somebody who is here, or is made.
    async fn person(&self, typed: &str) -> Result<Principal> {
        let (settings, order) = (&self.settings, self.order);
        self.pool
            .transaction(async |tx: Arc<Tx>| {
                if order.create {
                    let name = front::spell(&settings.identity, typed)
                        .map_err(|why| anyhow::anyhow!("{typed:?} cannot be a name: {why}"))?;
                    principal::one_at_a_time(&tx).await?;
                    let there = principal::by_name_in(&tx, &name).await?.is_some();
                    if !there && order.dry {
                        return Ok(Self::nobody(&name));
                    }
                    if !there {
                        caldav::found(&tx, settings, &name, Known::default()).await?;
                    }
                }
                let hint = "; --create makes somebody who has not signed in yet";
                find(&tx, settings, typed).await.with_context(|| format!("{typed} has no home here{hint}"))
            })
            .await
    }

    /// Somebody whom a trial would have to make.
    fn nobody(name: &str) -> Principal {
        Principal { id: NOBODY, name: name.to_owned(), ..Principal::default() }
    }

    fn target(&self, who: &Principal) -> Target<'_> {
        Target {
            pool: &self.pool,
            settings: &self.settings,
            viewer: Viewer::of(who.clone()),
            author: Author {
                principal_id: None,
                client: "kalends import".to_owned(),
                keep: caldav::keep(&self.settings),
            },
            existing: self.order.existing,
            dry: self.order.dry,
        }
    }

    /// Files into one calendar, which is made if it is not there.
    async fn files(&self, who: &Principal, calendar: &str) -> Result<Counts> {
        let target = self.target(who);
        let made = target.calendar(calendar, &Make::default()).await.map_err(why)?;
        if made {
            println!("{}/{calendar} is new.", who.name);
        }
        let mut tell = self.teller();
        let mut importer = Importer::new(&target, calendar, Counts::default(), &mut tell);
        for path in &self.order.files {
            if path.as_os_str() == "-" {
                importer.stream(&mut piped()?, "-", None).await?;
            } else if path.is_dir() {
                for found in tree::calendars(path)? {
                    all_of(&mut importer, &found, None).await?;
                }
            } else {
                let mut file = File::open(path).with_context(|| path.display().to_string())?;
                importer.stream(&mut file, &path.display().to_string(), None).await?;
            }
        }
        importer.flush().await?;
        let counts = importer.counts;
        self.end();
        Ok(counts)
    }

    /// The calendars of a folder, each as one of that person.
    async fn tree(&mut self, who: &Principal, folder: &Path, mut counts: Counts) -> Result<Counts> {
        let (mut unknown, mut left) = (Vec::new(), 0);
        for found in tree::calendars(folder)? {
            let target = self.target(who);
            let kept = found.kept.as_ref();
            let wanted = Make {
                components: found.components,
                properties: found.properties(),
                over: found.over(),
                subscribed: kept.is_some_and(|kept| kept["subscription"] == true),
            };
            let made = match target.calendar(&found.name, &wanted).await {
                Ok(made) => made,
                // One that cannot be is in nobody's way.
                Err(fault @ Fault::Refused(_)) => {
                    println!("{}/{}: left out: {}", who.name, found.name, why(fault));
                    left += 1;
                    continue;
                }
                Err(fault) => return Err(why(fault)),
            };
            println!("{}/{}{}", who.name, found.name, if made { " is new" } else { "" });
            if !wanted.subscribed {
                let mut tell = self.teller();
                let mut importer = Importer::new(&target, &found.name, counts, &mut tell);
                all_of(&mut importer, &found, self.fetched.as_ref()).await?;
                importer.flush().await?;
                counts = importer.counts;
                self.end();
            }
            if let Some(kept) = kept.filter(|_| !wanted.subscribed) {
                let mut reader = Reader { pool: &self.pool, coming: &self.coming, unknown: Vec::new() };
                let (aces, guests) = (reader.aces(kept).await?, reader.guests(kept).await?);
                if !self.order.dry {
                    target.share(&found.name, &aces, &guests, wanted.over).await.map_err(why)?;
                }
                unknown.append(&mut reader.unknown);
            }
        }
        self.left += left;
        self.unknown.append(&mut unknown);
        self.unknown.sort();
        self.unknown.dedup();
        Ok(counts)
    }

    /// Everybody in an export or a database: first all people are made, so that what is shared finds them.
    async fn people(&mut self, folder: &Path) -> Result<Counts> {
        let people = tree::people(folder)?;
        if people.is_empty() {
            bail!("{} is no export of this server: name the user whose calendars they are", folder.display());
        }
        let mut all = Vec::new();
        for (folder, told) in people {
            let text = |key: &str| told[key].as_str();
            let name = text("name").context("person.json tells no name")?;
            let email = text("email").and_then(|text| front::address(text.as_bytes()).ok());
            let known = Known {
                subject: text("subject"),
                display_name: text("display_name"),
                email: email.as_deref(),
                ..Known::default()
            };
            let (who, made) = self.made(name, known).await?;
            println!("{name}{}", if made { " is new" } else { "" });
            self.coming.insert(name.to_owned());
            all.push((who, folder, told));
        }
        let mut counts = Counts::default();
        for (who, folder, told) in all {
            let mut reader = Reader { pool: &self.pool, coming: &self.coming, unknown: Vec::new() };
            let aces = reader.aces(&told).await?;
            let mut unknown = reader.unknown;
            self.unknown.append(&mut unknown);
            if !self.order.dry {
                let properties = keep::read_properties(&told["properties"]);
                let over = if told[FOREIGN] == true { Over::Missing } else { Over::All };
                self.target(&who).home(&properties, &aces, over).await.map_err(why)?;
            }
            let has = fs::read_dir(&folder)?.filter_map(Result::ok).any(|entry| entry.path().is_dir());
            if has {
                counts = self.tree(&who, &folder, counts).await?;
            }
        }
        Ok(counts)
    }

    /// Somebody of that name, who is made if nobody is; by a trial supposed.
    async fn made(&self, name: &str, known: Known<'_>) -> Result<(Principal, bool)> {
        let settings = &self.settings;
        self.pool
            .transaction(async |tx: Arc<Tx>| {
                principal::one_at_a_time(&tx).await?;
                if let Some(who) = principal::by_name_in(&tx, name).await? {
                    return Ok((who, false));
                }
                if self.order.dry {
                    return Ok((Self::nobody(name), true));
                }
                // An address is one person's.
                let taken = match known.email {
                    Some(address) => principal::by_email_in(&tx, address).await?.is_some(),
                    None => false,
                };
                let known = Known { email: known.email.filter(|_| !taken), ..known };
                caldav::found(&tx, settings, name, known).await?;
                Ok((find(&tx, settings, name).await?, true))
            })
            .await
    }

    /// What tells how it goes on: problems in lines, and on a terminal how far it is.
    fn teller(&self) -> impl FnMut(Told<'_>) + Send + use<> {
        let terminal = self.terminal;
        move |told| match told {
            Told::Problem(problem) => {
                if terminal {
                    eprint!("\r\x1b[K");
                }
                println!("{problem}");
            }
            Told::Progress(counts) if terminal => eprint!("\r\x1b[K{} objects", counts.total),
            Told::Progress(_) => {}
        }
    }

    fn end(&self) {
        if self.terminal {
            eprint!("\r\x1b[K");
        }
    }
}

async fn all_of(importer: &mut Importer<'_>, found: &Found, fetched: Option<&Fetched>) -> Result<()> {
    for path in &found.files {
        let mut file = File::open(path).with_context(|| path.display().to_string())?;
        let name = found.name_of(path);
        // Where it was read into means nothing to anybody.
        let place = fetched.and_then(|fetched| path.strip_prefix(&fetched.folder).ok()).unwrap_or(path);
        importer.stream(&mut file, &place.display().to_string(), name.as_deref()).await?;
    }
    Ok(())
}

/// What is piped in, in a file without a name: it is read twice.
fn piped() -> Result<File> {
    let path = std::env::temp_dir().join(format!("kalends-import-{}", caldav::import::fresh()));
    let mut file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    fs::remove_file(&path)?;
    io::copy(&mut io::stdin().lock(), &mut file).context("what is piped in could not be kept")?;
    Ok(file)
}

/// `kalends export`: what a person has, or everybody, in folders.
pub fn export(file: Option<&Path>, user: Option<&str>, folder: &Path) -> Result<()> {
    super::run(async {
        let (pool, settings) = open(file).await?;
        let mut all = Vec::new();
        if let Some(user) = user {
            let tx = pool.begin().await?;
            all.push((find(&tx, &settings, user).await?, folder.to_owned()));
            tx.commit().await?;
        } else {
            let made = fs::DirBuilder::new().mode(0o700).create(folder);
            made.with_context(|| folder.display().to_string())?;
            let people = principal::all(&pool).await?;
            all.extend(people.into_iter().map(|who| {
                let folder = folder.join(export::file_of(&who.name));
                (who, folder)
            }));
        }
        let mut out = io::stdout().lock();
        for (who, folder) in &all {
            let sum = export::person(&pool, who, folder).await?;
            writeln!(out, "{}: {} calendars, {} objects", folder.display(), sum.calendars, sum.objects)?;
        }
        Ok(())
    })
}

//! The command line of kalends: what was typed becomes a command of [`kalends::boot`].

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand, builder::PossibleValuesParser};
use kalends::boot::{self, Moment, audit, groups, handover, history, import, notify, redact, users};

/// A lean CalDAV server for sites with single sign-on.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  kalends up                                  everything, with a PostgreSQL of its own: to try it, or for a small site
  kalends serve --config /etc/kalends.toml    the service, with the PostgreSQL that database.url names
  kalends check --config /etc/kalends.toml    says what is wrong with the settings and the database, and the cure
  kalends check --config /etc/kalends.toml --objects
                                              reads all that is stored, and names what cannot be read any more
  kalends check --config /etc/kalends.toml --proxy https://cal.example.org --user me
                                              attacks the proxy in front of it, and says what is open and what would break
  KALENDS__SERVER__LISTEN=unix:/run/kalends/http.sock kalends serve
                                              every setting can come from the environment
  kalends list settings                       all settings, with what they mean";

#[derive(Subcommand)]
enum Command {
    /// Starts everything: a private PostgreSQL, its migrations, the service.
    Up(From),
    /// Starts the service; the database is the one that database.url names.
    Serve(From),
    /// Starts the REST service alone; api.caldav says where CalDAV is.
    Api(From),
    /// Brings the database to the state that this version needs, and ends.
    Migrate(From),
    /// Says what is wrong with the settings and the database, with what is stored, or with a proxy, and how to mend it.
    #[command(after_help = CODES)]
    Check {
        #[command(flatten)]
        from: From,
        #[command(flatten)]
        trial: Trial,
    },
    /// Who there is, who is let in, and what they are called.
    #[command(subcommand, visible_alias = "user", after_help = PRINCIPALS)]
    Principal(Principal),
    /// Groups that are kept here, beside those that the proxy tells.
    #[command(subcommand, after_help = GROUPS)]
    Group(Group),
    /// Who did what to people and to their rights.
    #[command(after_help = AUDIT)]
    Audit {
        /// How many days back.
        #[arg(long, default_value_t = 30)]
        days: u32,
        /// Only what this person did, what was done to them, or in their home.
        #[arg(long, value_name = "NAME")]
        of: Option<String>,
        #[command(flatten)]
        from: From,
    },
    /// Brings calendars in from files, folders and other servers; says of each object that did not go in why.
    #[command(after_help = IMPORT)]
    Import {
        #[command(flatten)]
        goods: Goods,
        #[command(flatten)]
        from: From,
    },
    /// Writes all that a person has, or everybody, into folders from which `kalends import` makes the same again.
    #[command(after_help = EXPORT)]
    Export {
        /// The folder to write; it must not be there.
        folder: PathBuf,
        /// Only what this person has.
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
        #[command(flatten)]
        from: From,
    },
    /// Who changed what in somebody's calendars, when and with which program.
    #[command(after_help = HISTORY)]
    History {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        from: From,
    },
    /// Brings back a deleted calendar or object, or what a calendar or object was before.
    #[command(after_help = RESTORE)]
    Restore {
        #[command(flatten)]
        place: Place,
        /// As it was at that time: 2026-11-20T14:00:00Z, or with another offset as 2026-11-20T15:00:00+01:00.
        #[arg(long, value_name = "TIME", value_parser = moment)]
        at: Option<Moment>,
        /// As the object was with that revision, which `kalends history` tells.
        #[arg(long, value_name = "N", conflicts_with = "at")]
        revision: Option<i64>,
        #[command(flatten)]
        from: From,
    },
    /// What somebody deleted, and can have back.
    #[command(after_help = TRASH)]
    Trash {
        /// The user's name.
        user: String,
        /// Erases all of it for good.
        #[arg(long)]
        empty: bool,
        /// Erases only what was deleted so many days ago or earlier.
        #[arg(long, value_name = "N", requires = "empty", default_value_t = 0)]
        days: u32,
        #[command(flatten)]
        from: From,
    },
    /// Leaves a message where calendar programs show notifications.
    Notify {
        /// What to say.
        text: String,
        /// How urgent it is: low, medium or high.
        #[arg(long, default_value = "low", value_parser = PossibleValuesParser::new(notify::LEVELS))]
        level: String,
        #[command(flatten)]
        to: To,
        #[command(flatten)]
        from: From,
    },
    /// Takes out of calendar files what they say of people, to send them with a report of a bug.
    #[command(after_help = REDACT)]
    Redact {
        /// Files of iCalendar data, well-formed or not; `-` is standard input.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Prints what the server knows: methods, reports, properties, conditions, features, settings.
    List {
        /// Which table; all but the settings if none is named.
        #[arg(value_parser = PossibleValuesParser::new(boot::TABLES))]
        table: Option<String>,
    },
}

const PRINCIPALS: &str = "\
People are made when they first sign in at the proxy: there is nothing to add. Names are typed as people
write them, or as the list has them. What is changed counts from the next request on, on every node.

  kalends principal list --config /etc/kalends.toml
  kalends principal disable alice              she has left: 403 however she comes; her calendars stay
  kalends principal show alice            what is known of her, and what she has
  kalends principal transfer alice bob    her calendars are his from now on, and shared as they were
  kalends principal purge alice           what would be erased; with --yes it is
  kalends principal rename alice alice.2019    before alice is given to somebody else: hers stay hers

Somebody listed as alice/12 had the name that the proxy has given to another person; `rename` gives
them a new one.";

const TRANSFER: &str = "\
A calendar goes with its objects, properties, shares and access control list; who it is shared with notices a new owner
and nothing else. It keeps its name, or gets the first like it that is free (work-2). What the old owner granted on the
home as a whole (delegates) does not go along, and the old owner has no rights left: the new one may share it with them.

  kalends principal transfer alice bob                    all of them
  kalends principal transfer alice bob --calendar work    this one";

const PURGE: &str = "\
Erased are: the account, its home with all in it, what was granted to them, what others saw of theirs, notifications
that name them, and what the audit log has about them. With --everywhere they are also no attendee and no organizer any
more in the calendars of others, in what those were before, and in what lies in the trash; their address stands in no
text there. Clients see such objects changed. Not erased are backups, names that others wrote into titles and notes, and
what was sent by mail. If the proxy still lets them in, they start anew with their next request: close the account there
first.

  kalends principal purge alice                        says what there is, and changes nothing
  kalends principal purge alice --yes                  erases it
  kalends principal purge alice --everywhere --yes     the same, and in the calendars of others";

const GROUPS: &str = "\
Who is in a group may do what is granted to it. The proxy tells groups (identity.groups_header), and here they are
kept by hand; who is in a group by either is in it, from the next request on, on every node. A group is there as
long as somebody is in it, and is made by adding the first. Groups of groups there are none.

  kalends group add staff alice bob       they are in staff, whatever the proxy tells
  kalends group remove staff bob          he is not kept there any more; if the proxy tells it, he stays
  kalends group show staff                who is in it, and by whose word
  kalends group delete staff              nobody is kept in it any more";

const AUDIT: &str = "\
Kept are: what is granted and revoked on homes and calendars, who comes into a group and leaves one, and what is
done by `kalends principal`. audit.retention_days says for how long.

  kalends audit --config /etc/kalends.toml
  kalends audit --days 365 --of alice     all about alice, of a year";

const REDACT: &str = "\
What becomes of event.ics is written to event.redacted.ics; nothing is written over.

  kalends redact event.ics                what is known of one event
  kalends redact a.ics b.ics              somebody who is in both is the same person in both
  kalends redact - < event.ics            to standard output

Kept: the names of the standard's components, properties and parameters, dates, times, rules, states, names of
time zones, PRODID, and the length of each line with its folds. Everything else (titles, notes, places, names,
addresses, identifiers, unknown properties) becomes other letters: equal ones stay equal, and different ones
different. So a fault that is one of form or of time is still there. Read the result before you send it.";

/// For whom a message is.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct To {
    /// For this user; may be given several times.
    #[arg(long, value_name = "NAME")]
    user: Vec<String>,
    /// For who is in this group.
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    /// For everybody.
    #[arg(long)]
    all: bool,
}

#[derive(Subcommand)]
enum Group {
    /// Every group that somebody is in, and how many are.
    List(From),
    /// Who is in a group, and by whose word.
    Show {
        /// The group's name.
        group: String,
        #[command(flatten)]
        from: From,
    },
    /// Keeps people in a group.
    Add {
        /// The group's name.
        group: String,
        /// The users' names.
        #[arg(required = true)]
        names: Vec<String>,
        #[command(flatten)]
        from: From,
    },
    /// Keeps people in a group no longer.
    Remove {
        /// The group's name.
        group: String,
        /// The users' names.
        #[arg(required = true)]
        names: Vec<String>,
        #[command(flatten)]
        from: From,
    },
    /// Keeps nobody in a group any more.
    Delete {
        /// The group's name.
        group: String,
        #[command(flatten)]
        from: From,
    },
}

const IMPORT: &str = "\
Try it first with --dry-run: all is read and judged, and nothing is written.

  kalends import alice work work.ics                 a file, of any size, into her calendar; it is made if it is not there
  zcat work.ics.gz | kalends import alice work -     the same from a pipe
  kalends import alice work ~/calendars/work/        a folder with one file an event, as vdirsyncer has
  kalends import alice --from ~/calendars/           every calendar in a folder, with its name and color: vdirsyncer's, Radicale's
                                                     (collection-root/alice), Xandikos's, or files that are each a calendar
  kalends import alice --from takeout.zip            the same in a zip file, as Google Takeout makes it
  kalends import --from /backup/everybody/           what `kalends export` wrote, with all people and shares

From another server, with names, colors, kinds and shares:

  kalends import alice --from https://cal.example.org/ --login alice@example.org --password-file pw
                                                     her account on any CalDAV server
  kalends import --from 'postgresql:///davical?host=/run/postgresql&user=davical'
                                                     everybody in a database of DAViCal, SabreDAV, Baikal, Nextcloud or ownCloud;
                                                     which it is, is seen by its tables
  kalends import --from /var/lib/baikal/db.sqlite    the same in a file of SQLite
  kalends import --from nextcloud.sql                the same of MySQL or MariaDB, from its dump:
                                                     mysqldump --single-transaction --hex-blob nextcloud > nextcloud.sql
  kalends import alice --from nextcloud.sql --login alice.smith
                                                     one person of it, who may have another name there

The password is in KALENDS_IMPORT_PASSWORD or in --password-file, never in an argument. What is read lies in a folder beside
other temporary files (TMPDIR) until the end; with --keep FOLDER it stays, to be looked at, and an interrupted run goes on there.
Nothing that is here already gives way to what another server says of a calendar or of its shares.

It can be repeated: what is there already with the same octets is left alone, and after an interruption a second run goes on.
What is there in another state stays, unless what comes is newer by SEQUENCE or LAST-MODIFIED (--existing). Nobody is
invited, and nobody is told. A component without a UID gets one made of its content.

Each object that did not go in is a line: file:line: UID \"summary\": why.
Exit code: 0 all is in, 1 the lines say what is not, 2 it could not be done.";

const EXPORT: &str = "\
  kalends export /backup/everybody                   a folder a person
  kalends export /backup/alice --user alice          one person

In the folder of a person is one a calendar, and in it one file an object, octet for octet, as vdirsyncer has them too;
calendar.json has names, colors, all other properties, and to whom it is shared. Not in it are history, trash, app
passwords and what sharees say of a calendar of somebody else: a dump of the database has those.";

/// How what is there already is treated.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Existing {
    /// It stays, unless what comes is newer.
    Newer,
    /// It stays.
    Keep,
    /// What comes takes its place.
    Replace,
}

#[derive(clap::Args)]
struct Goods {
    /// The user's name.
    user: Option<String>,
    /// The calendar's name, as in its URL.
    calendar: Option<String>,
    /// Files and folders; - is what is piped in.
    #[arg(requires = "calendar")]
    files: Vec<PathBuf>,
    /// A folder of calendars, a zip file of them, the https:// address of a CalDAV server, a postgresql:// address, a file of
    /// `SQLite`, or a dump of `MySQL`.
    #[arg(long, value_name = "FROM", conflicts_with = "calendar")]
    from: Option<String>,
    /// What the user is called there, if not the same.
    #[arg(long, value_name = "NAME", requires_all = ["user", "from"])]
    login: Option<String>,
    /// A file with the password there; without it, it is `KALENDS_IMPORT_PASSWORD` in the environment.
    #[arg(long, value_name = "FILE", requires = "from")]
    password_file: Option<PathBuf>,
    /// Certificates to trust there instead of the system's, PEM.
    #[arg(long, value_name = "FILE", requires = "from")]
    ca: Option<PathBuf>,
    /// Keeps what is read there in this folder.
    #[arg(long, value_name = "FOLDER", requires = "from")]
    keep: Option<PathBuf>,
    /// What becomes of what is there already in another state.
    #[arg(long, value_enum, default_value_t = Existing::Newer)]
    existing: Existing,
    /// Writes nothing.
    #[arg(long)]
    dry_run: bool,
    /// Makes the user, if nobody of that name has signed in yet.
    #[arg(long, requires = "user")]
    create: bool,
}

impl Goods {
    fn order(self) -> import::Order {
        let existing = match self.existing {
            Existing::Newer => import::Existing::Newer,
            Existing::Keep => import::Existing::Keep,
            Existing::Replace => import::Existing::Replace,
        };
        import::Order {
            user: self.user,
            calendar: self.calendar,
            files: self.files,
            from: self.from,
            login: self.login,
            password_file: self.password_file,
            ca: self.ca,
            keep: self.keep,
            existing,
            dry: self.dry_run,
            create: self.create,
        }
    }
}

const HISTORY: &str = "\
Each line: when (UTC), the calendar's revision, who, with which program, what. The last 500 are told.

  kalends history alice                   everything of hers
  kalends history alice work              one calendar, also one that was deleted
  kalends history alice work 7f3.ics      one object: its name is the end of its URL

history.versions_days says for how long it is kept. What somebody changes again within
history.fold_minutes is one line. Who is not there any more is told as (gone).";

const RESTORE: &str = "\
Somebody deleted a calendar, or a program garbled it? The service may go on meanwhile.

  kalends trash alice                     what she deleted
  kalends restore alice work              the deleted calendar, as work, or work-2 if there is a new one
  kalends restore alice work 7f3.ics      an event as it was before it was deleted or last changed
  kalends restore alice work 7f3.ics --revision 41
                                          an event as it was with revision 41 of `kalends history`
  kalends restore alice work --at 2026-11-20T14:00:00Z
                                          all of the calendar as it was then: deleted events come back, changed ones
                                          are changed back, new ones go to the trash; all or nothing

Nothing is lost by it: what is replaced stays in the history, so a wrong --at is undone by a later one.
An event that is there under another name is changed there, for a UID is in a calendar once; a name that another
event has got meanwhile becomes name-2.";

const TRASH: &str = "\
  kalends trash alice                     when, who, with which program, what
  kalends trash alice --empty             erases all that she deleted: nobody can bring it back
  kalends trash alice --empty --days 7    the same of what was deleted a week ago or earlier

What lies there longer than history.trash_days is erased by itself.";

#[derive(clap::Args)]
struct Place {
    /// The user's name.
    user: String,
    /// The calendar's name, as in its URL.
    calendar: Option<String>,
    /// The object's name, as in its URL.
    object: Option<String>,
}

impl Place {
    fn named(&self) -> history::Place<'_> {
        history::Place {
            user: &self.user,
            calendar: self.calendar.as_deref(),
            object: self.object.as_deref(),
        }
    }
}

fn moment(text: &str) -> Result<Moment, &'static str> {
    text.parse().map_err(|_| "a time is written as 2026-11-20T14:00:00Z")
}

#[derive(Subcommand)]
enum Principal {
    /// Everybody: name, state, e-mail address, subject.
    List(From),
    /// What is known of a person, and what they have.
    Show {
        /// The user's name.
        name: String,
        #[command(flatten)]
        from: From,
    },
    /// Gives calendars of one person to another, shared as they are.
    #[command(after_help = TRANSFER)]
    Transfer {
        /// Whose they are.
        name: String,
        /// Whose they will be.
        to: String,
        /// Only this one, by the last part of its URL; may be given several times.
        #[arg(long = "calendar", value_name = "CALENDAR")]
        calendars: Vec<String>,
        #[command(flatten)]
        from: From,
    },
    /// Erases a person and all that is theirs; says what that is, and does it with --yes only.
    #[command(after_help = PURGE)]
    Purge {
        /// The user's name.
        name: String,
        /// Do it.
        #[arg(long)]
        yes: bool,
        /// Take them out of the calendars of others as well.
        #[arg(long)]
        everywhere: bool,
        #[command(flatten)]
        from: From,
    },
    /// Lets nobody in as that person; nothing of theirs is deleted, and what they shared stays shared.
    Disable {
        /// The user's name.
        name: String,
        #[command(flatten)]
        from: From,
    },
    /// Lets that person in again.
    Enable {
        /// The user's name.
        name: String,
        #[command(flatten)]
        from: From,
    },
    /// Gives that person's calendars another user name.
    Rename {
        /// The user's name until now.
        name: String,
        /// The name to come; it must be free.
        new: String,
        #[command(flatten)]
        from: From,
    },
}

#[derive(clap::Args)]
struct From {
    /// The file of settings, in TOML; without it the defaults and the environment are all.
    #[arg(long, short, env = "KALENDS_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

const CODES: &str = "\
Exit code: 0 nothing was found, 1 something was, 2 the proxy or the objects could not be tried.
The proxy is tried with a few hundred requests, most of them without credentials: an intrusion detection may take notice.";

/// What is tried: what is stored, or a proxy, and as whom.
#[derive(clap::Args)]
struct Trial {
    /// Reads every stored object instead, and names those that cannot be read any more.
    #[arg(long, conflicts_with = "proxy")]
    objects: bool,
    /// Tries the proxy at this address instead: forged headers, crooked paths, the first requests of real clients.
    #[arg(long, value_name = "URL")]
    proxy: Option<String>,
    /// Signs in as this user; without it only what needs no password is tried.
    #[arg(long, value_name = "NAME", requires = "proxy")]
    user: Option<String>,
    /// A file with the password; without it it is `KALENDS_CHECK_PASSWORD` in the environment.
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,
    /// A file with a Bearer token to sign in with.
    #[arg(long, value_name = "FILE", requires = "proxy", conflicts_with = "user")]
    bearer_file: Option<PathBuf>,
    /// Certificates (PEM) to trust instead of the system's.
    #[arg(long, value_name = "FILE", requires = "proxy")]
    ca: Option<PathBuf>,
    /// The address of a host that is not in the DNS, as cal.example.org:443:127.0.0.1.
    #[arg(long, value_name = "HOST:PORT:ADDRESS", requires = "proxy")]
    resolve: Option<String>,
    /// The port on which the site must not serve without TLS; 80 where the site is at 443.
    #[arg(long, value_name = "PORT", requires = "proxy")]
    http_port: Option<u16>,
    /// Makes this check alone, by the name it has in the report; may be given several times.
    #[arg(long, value_name = "CHECK", requires = "proxy")]
    only: Vec<String>,
    /// What the proxy is, if its Server header does not tell: apache or nginx.
    #[arg(long, requires = "proxy")]
    kind: Option<boot::ProxyKind>,
    /// Shows every request and what came of it.
    #[arg(long, requires = "proxy")]
    verbose: bool,
    /// Tells it as JSON.
    #[arg(long, requires = "proxy")]
    json: bool,
}

/// `kalends check`, of the settings, of what is stored, or of a proxy; the latter two have exit codes of their own.
fn check(from: &From, trial: Trial) -> anyhow::Result<ExitCode> {
    let file = from.config.as_deref();
    let telling = boot::Telling { verbose: trial.verbose, json: trial.json };
    if trial.objects {
        return Ok(judged(boot::objects::check(file)));
    }
    let Some(url) = trial.proxy else { return boot::check(file).map(|()| ExitCode::SUCCESS) };
    let plan = boot::Plan {
        url,
        user: trial.user,
        password: std::env::var("KALENDS_CHECK_PASSWORD").ok(),
        password_file: trial.password_file,
        bearer_file: trial.bearer_file,
        ca: trial.ca,
        resolve: trial.resolve,
        http_port: trial.http_port,
        only: trial.only,
        kind: trial.kind,
    };
    Ok(judged(boot::check_proxy(file, &plan, telling)))
}

/// The exit code of what tells whether nothing was found.
fn judged(clean: anyhow::Result<bool>) -> ExitCode {
    match clean {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("kalends: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn tell(text: &str, level: &str, to: To, from: &From) -> anyhow::Result<()> {
    let audience = match to.group {
        Some(group) => notify::Audience::Group(group),
        None if to.all => notify::Audience::All,
        None => notify::Audience::People(to.user),
    };
    notify::notify(from.config.as_deref(), level, text, &audience)
}

fn group(command: Group) -> anyhow::Result<()> {
    match command {
        Group::List(from) => groups::list(from.config.as_deref()),
        Group::Show { group, from } => groups::show(from.config.as_deref(), &group),
        Group::Add { group, names, from } => groups::keep(from.config.as_deref(), &group, &names, true),
        Group::Remove { group, names, from } => groups::keep(from.config.as_deref(), &group, &names, false),
        Group::Delete { group, from } => groups::delete(from.config.as_deref(), &group),
    }
}

fn principal(command: Principal) -> anyhow::Result<()> {
    match command {
        Principal::List(from) => users::list(from.config.as_deref()),
        Principal::Show { name, from } => handover::show(from.config.as_deref(), &name),
        Principal::Transfer { name, to, calendars, from } => {
            handover::transfer(from.config.as_deref(), &name, &to, &calendars)
        }
        Principal::Purge { name, yes, everywhere, from } => {
            handover::purge(from.config.as_deref(), &name, yes, everywhere)
        }
        Principal::Disable { name, from } => users::disable(from.config.as_deref(), &name),
        Principal::Enable { name, from } => users::enable(from.config.as_deref(), &name),
        Principal::Rename { name, new, from } => users::rename(from.config.as_deref(), &name, &new),
    }
}

fn main() -> ExitCode {
    let done = |()| ExitCode::SUCCESS;
    let result = match Arguments::parse().command {
        Command::Up(from) => boot::up(from.config.as_deref()).map(done),
        Command::Serve(from) => boot::serve(from.config.as_deref()).map(done),
        Command::Api(from) => boot::api(from.config.as_deref()).map(done),
        Command::Migrate(from) => boot::migrate(from.config.as_deref()).map(done),
        Command::Check { from, trial } => check(&from, trial),
        Command::Principal(command) => principal(command).map(done),
        Command::Group(command) => group(command).map(done),
        Command::Notify { text, level, to, from } => tell(&text, &level, to, &from).map(done),
        Command::Audit { days, of, from } => {
            audit::print(from.config.as_deref(), days, of.as_deref()).map(done)
        }
        Command::Import { goods, from } => Ok(judged(import::import(from.config.as_deref(), &goods.order()))),
        Command::Export { folder, user, from } => {
            import::export(from.config.as_deref(), user.as_deref(), &folder).map(done)
        }
        Command::History { place, from } => {
            history::history(from.config.as_deref(), &place.named()).map(done)
        }
        Command::Restore { place, at, revision, from } => {
            history::restore(from.config.as_deref(), &place.named(), at, revision).map(done)
        }
        Command::Trash { user, empty, days, from } => {
            history::trash(from.config.as_deref(), &user, empty.then_some(days)).map(done)
        }
        Command::Redact { files } => redact::redact(&files).map(done),
        Command::List { table } => {
            print!("{}", boot::list(table.as_deref()));
            Ok(ExitCode::SUCCESS)
        }
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("kalends: {error:#}");
            ExitCode::FAILURE
        }
    }
}

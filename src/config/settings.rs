//! The table of settings: one line of documentation, one type and one default each; the structs, the reader,
//! `kalends list settings` and docs/settings.md are all made from it.

use std::path::PathBuf;

use ipnet::IpNet;

use crate::config::kind::{
    Accept, Audience, Collector, HeaderName, Hook, Kind, Level, Listen, LogFormat, Moment, Origin, Page,
    Required, Secret, Shown, Size, Span, Tls, Unpublic,
};
use crate::config::load::Reader;

/// One row of the table, as people read it.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Section and field, as in `limits.body_bytes`.
    pub key: String,
    /// What may be written.
    pub kind: &'static str,
    /// The default, as it would be written in the file.
    pub default: String,
    /// What it does, in a line.
    pub doc: &'static str,
}

impl Setting {
    /// The environment variable of the same meaning.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("KALENDS__{}", self.key.replace('.', "__").to_uppercase())
    }
}

macro_rules! settings {
    ($($(#[doc = $about:literal])+ $section:ident: $Section:ident {
        $($(#[doc = $doc:literal])+ $field:ident: $kind:ty = $default:expr;)+
    })+) => {
        /// Everything that can be set; what is not set has its default.
        #[derive(Clone, Debug, Default)]
        pub struct Settings {
            $($(#[doc = $about])+ pub $section: $Section,)+
        }

        $(
            $(#[doc = $about])+
            #[derive(Clone, Debug)]
            pub struct $Section {
                $($(#[doc = $doc])+ pub $field: $kind,)+
            }

            impl Default for $Section {
                fn default() -> Self {
                    Self { $($field: $default,)+ }
                }
            }
        )+

        impl Settings {
            pub(super) fn read(reader: &mut Reader) -> Self {
                let mut all = Self::default();
                $($(reader.field(stringify!($section), stringify!($field), &mut all.$section.$field);)+)+
                all
            }
        }

        /// The whole table, in the order of the file.
        #[must_use]
        pub fn settings() -> Vec<Setting> {
            let all = Settings::default();
            vec![$($(Setting {
                key: concat!(stringify!($section), ".", stringify!($field)).to_owned(),
                kind: <$kind as Kind>::NAME,
                default: all.$section.$field.show(),
                doc: concat!($($doc),+).trim_ascii(),
            },)+)+]
        }

        pub(super) const SECTIONS: &[(&str, &str)] = &[$((stringify!($section), concat!($($about),+).trim_ascii())),+];
    };
}

settings! {
    /// Where the server listens and what it is called outside.
    server: Server {
        /// Addresses to listen on: `host:port` (numbers), `unix:/path`, or `systemd` for the sockets systemd hands over.
        listen: Vec<Listen> = vec![Listen::Tcp(([127, 0, 0, 1], 8008).into())];
        /// Mode of the Unix sockets, octal.
        unix_mode: String = "0660".into();
        /// Group of the Unix sockets: a name in /etc/group or a number.
        unix_group: String = String::new();
        /// The address people use, as `https://dav.example.org`; never taken from a request.
        public_url: Option<Origin> = None;
        /// Web pages that may use the service from a browser, by their origins, as `https://mail.example.org`; nobody else's may.
        cors_origins: Vec<Origin> = Vec::new();
        /// Paths the CalDAV service answers under; the first is the one it advertises.
        base_paths: Vec<String> = vec!["/dav/".into(), "/api/v1.0/caldav/".into()];
        /// Whether long answers are compressed (gzip, br, zstd) for clients that take it; switch it off where the proxy does so.
        compress: bool = true;
        /// Clients that are shut out with a 403, by their User-Agent, as `Broken-Client/1.*` (`*` stands for anything; letters may be small or capital).
        reject_agents: Vec<String> = Vec::new();
        /// Whether nothing is changed: whatever would write is answered 503 with Retry-After, and nobody new is let in.
        read_only: bool = false;
        /// Certificate and its chain, PEM: all addresses of `listen` speak TLS then, and Unix sockets stay plain; a relative path lies in systemd's credentials directory.
        tls_certificate: PathBuf = PathBuf::new();
        /// The key of that certificate, PEM.
        tls_key: PathBuf = PathBuf::new();
        /// Certificates of the authority, PEM, by which the proxy's own certificate must be signed; empty asks for none.
        tls_client_ca: PathBuf = PathBuf::new();
    }
    /// What one client, or all of them together, may use.
    limits: Limits {
        /// Open connections; further ones wait.
        connections: u32 = 1024;
        /// Requests in flight; further ones are answered 503 with Retry-After at once.
        requests: u32 = 256;
        /// Bytes of request line and headers together.
        header_bytes: Size = Size(32 << 10);
        /// Number of header lines.
        headers: u32 = 100;
        /// Time for the headers of a request to arrive, and how long an idle connection stays: must exceed the proxy's keep-alive (nginx: 60 s).
        header_time: Span = Span::seconds(75);
        /// Bytes of a request's body.
        body_bytes: Size = Size(20 << 20);
        /// Time without progress after which the sending or receiving of a body is given up.
        body_time: Span = Span::seconds(60);
        /// Time from the last header to the first byte of the answer.
        request_time: Span = Span::seconds(120);
        /// The longest that a lock lasts without being refreshed (RFC 4918 §10.7).
        lock_timeout: Span = Span::seconds(3600);
        /// Time that requests in flight are given to finish when the server stops.
        drain_time: Span = Span::seconds(20);
    }
    /// Whom to believe about who is asking: the proxy signs people in and names them in a header.
    identity: Identity {
        /// The one header that names the user.
        header: HeaderName = HeaderName::named("X-Forwarded-User");
        /// Networks of the proxies, as `10.1.2.0/24`; empty means loopback, and nothing else may be listened on.
        trusted: Vec<IpNet> = Vec::new();
        /// User ids of the proxies that come by a Unix socket; empty means root and the server's own.
        trusted_uids: Vec<u32> = Vec::new();
        /// DNS names, one of which the proxy's certificate must bear; empty believes every certificate of `server.tls_client_ca`.
        trusted_names: Vec<String> = Vec::new();
        /// The header by which the proxy proves itself.
        secret_header: HeaderName = HeaderName::named("X-Kalends-Secret");
        /// What the proxy sends in it, 16 characters or more; needed wherever other machines can connect.
        secret: Secret = Secret::default();
        /// File with the secret; a relative path lies in systemd's credentials directory.
        secret_file: PathBuf = PathBuf::new();
        /// The secret before this one, believed as well while it is being changed.
        previous_secret: Secret = Secret::default();
        /// File with the secret before this one.
        previous_secret_file: PathBuf = PathBuf::new();
        /// Header with the e-mail address; `default` is X-Forwarded-Email, empty is off.
        email_header: HeaderName = HeaderName::off("X-Forwarded-Email");
        /// Header with the person's name; `default` is X-Forwarded-Name, empty is off.
        name_header: HeaderName = HeaderName::off("X-Forwarded-Name");
        /// Header with the identity provider's lasting key of the person; `default` is X-Forwarded-Sub, empty is off.
        subject_header: HeaderName = HeaderName::off("X-Forwarded-Sub");
        /// Whether a person who is known by that key is refused where the proxy does not tell it: a name may have passed to somebody else.
        subject_required: bool = true;
        /// Header in which the proxy says how the person signed in, as `Basic` or `session`; `default` is X-Forwarded-Auth-Type, empty is off. Where it is on, a request without it is refused.
        auth_type_header: HeaderName = HeaderName::off("X-Forwarded-Auth-Type");
        /// Kinds of sign-in that have no subject, in whatever letters: with one of them the name alone says who it is, also of a person who is known by a subject; needs `auth_type_header`.
        subjectless: Vec<String> = vec!["Basic".into()];
        /// Kinds of sign-in for which the proxy asked the check of app passwords, as `password`: with one of them the header has what that answered, the user's name and how far the password reaches, and a bare name is refused; needs `auth_type_header`.
        credential_types: Vec<String> = Vec::new();
        /// Whether somebody with an unknown subject and an unknown name is the person who has the e-mail address, and takes over their calendars. DANGER: whoever can make the identity provider tell an address gets what its owner has; only where the provider checks every address.
        match_email: bool = false;
        /// Whether a new person whose e-mail address somebody else has gets in, without the address; otherwise they are refused.
        shared_email: bool = false;
        /// Header with the person's groups; `default` is X-Forwarded-Groups, empty is off.
        groups_header: HeaderName = HeaderName::off("X-Forwarded-Groups");
        /// What stands between two groups.
        groups_separator: String = ",".into();
        /// Whether user names are lower-cased: `Alice` and `alice` are one.
        fold_case: bool = true;
        /// Domain that is cut off user names: `alice@example.org` becomes `alice`.
        strip_domain: String = String::new();
        /// Domain that is added to user names without one.
        append_domain: String = String::new();
        /// User names that are let in, as `*@example.org` (`*` stands for anything); empty lets in all.
        allow: Vec<String> = Vec::new();
        /// User names that are never let in, as `root` or `service-account-*`.
        deny: Vec<String> = Vec::new();
        /// User names that may do everything everywhere.
        admins: Vec<String> = Vec::new();
        /// User names that may read everything everywhere, as a backup does.
        readers: Vec<String> = Vec::new();
        /// Mail domain of users of whom no e-mail header tells; a user name with an `@` is its own address.
        email_domain: String = String::new();
        /// Mail domains whose users are given a principal and a home when somebody first shares a calendar with their address, before they ever signed in. Whoever may share can make as many; so only where all addresses of the domain are people's.
        local_domains: Vec<String> = Vec::new();
        /// The WWW-Authenticate header of a 401; empty sends none.
        challenge: String = "Basic realm=\"kalends\"".into();
    }
    /// A second lock: the proxy forwards the token by which somebody signed in, and its signature is checked here.
    token: Token {
        /// Header with an ID or access token; `default` is X-Forwarded-Token, empty is off.
        header: HeaderName = HeaderName::off("X-Forwarded-Token");
        /// When there must be one: `never`, `arrive` (nobody new is made without) or `always`. One that is sent is checked in any case.
        required: Required = Required::Never;
        /// File with the identity provider's keys (JWKS); a relative path lies in systemd's credentials directory.
        keys_file: PathBuf = PathBuf::new();
        /// Where the keys are fetched instead, as `https://id.example.org/realms/x/protocol/openid-connect/certs`.
        keys_url: Option<Page> = None;
        /// Certificates to trust for that address instead of the system's, PEM.
        ca_file: PathBuf = PathBuf::new();
        /// Age at which the keys are fetched again; a token with an unknown key has them fetched before.
        keys_age: Span = Span::seconds(3600);
        /// The `iss` of every token, to the letter.
        issuer: String = String::new();
        /// What a token's `aud` must name, one of these at least: this service's client id.
        audience: Vec<String> = Vec::new();
        /// The claim that names the user; it is spelt as the header is, and must name the same one.
        user_claim: String = "preferred_username".into();
        /// Time after its end that a token is still taken.
        leeway: Span = Span::seconds(60);
    }
    /// The PostgreSQL database.
    database: Database {
        /// `postgresql://user:password@host/name`; empty is the private cluster of `kalends up`.
        url: Secret = Secret::default();
        /// File with the URL; a relative path lies in systemd's credentials directory.
        url_file: PathBuf = PathBuf::new();
        /// Connections a process keeps: four a core is a good start.
        pool_size: u32 = 8;
        /// Time to reach the database.
        connect_time: Span = Span::seconds(5);
        /// Time to wait for a free connection; beyond it the answer is 503.
        wait_time: Span = Span::seconds(5);
        /// Time of one statement.
        statement_time: Span = Span::seconds(30);
        /// TLS to the database.
        tls: Tls = Tls::Prefer;
        /// Certificates to trust instead of the system's, PEM.
        ca_file: PathBuf = PathBuf::new();
        /// Whether a PgBouncer in transaction mode stands between: no prepared statements then.
        pgbouncer: bool = false;
    }
    /// The private PostgreSQL of `kalends up`.
    cluster: Cluster {
        /// Its directory; empty is `$XDG_STATE_HOME/kalends`, or /var/lib/kalends when started as root.
        data_dir: PathBuf = PathBuf::new();
        /// Directory of PostgreSQL's programs; empty searches for them.
        bin_dir: PathBuf = PathBuf::new();
        /// The user it runs as when started as root; empty is `postgres`.
        user: String = String::new();
    }
    /// Health and metrics, on a listener of their own: `/livez`, `/readyz`, `/healthz`, `/metrics`.
    monitor: Monitor {
        /// Address of that listener; empty is off.
        listen: Option<Listen> = Some(Listen::Tcp(([127, 0, 0, 1], 9008).into()));
    }
    /// The REST service beside CalDAV, under `/api/v1.0/`: on a listener of its own, in this process or in one of its own (`kalends api`).
    api: Api {
        /// Address of that listener, `host:port`, `unix:/path`, or `systemd` (the socket that its unit calls `api`); empty is off (`kalends up` listens on 127.0.0.1:8010 then).
        listen: Option<Listen> = None;
        /// Where `kalends api` reaches the CalDAV service, which believes it as it believes the proxy: `http://host:port` or `unix:/path`; the others use their own listener when it is empty.
        caldav: String = String::new();
        /// Time for each answer of the CalDAV service.
        caldav_time: Span = Span::seconds(30);
        /// Address at which Apache asks whether a password is right (`FastCGI`), on this machine alone, as `127.0.0.1:889` or `systemd` (the socket that its unit calls `check`); empty is off. nginx asks at the listener above.
        fastcgi: Option<Listen> = None;
        /// Requests that one person may send in a minute; 0 is no limit. Searches for people have limits of their own.
        requests_per_minute: u32 = 600;
        /// Octets of what is brought in at once (`calendars/{id}/import/`), where `limits.body_bytes` does not count. What is longer than 4 MiB lies in the folder for temporary files meanwhile; the proxy must let it pass.
        import_bytes: Size = Size(100 << 20);
        /// Time for that, in the place of `limits.request_time`.
        import_time: Span = Span::seconds(600);
        /// What this installation is called to web pages.
        environment: String = "production".into();
        /// File with a JSON object of what `config/` tells web pages, in the place of the defaults; a key that it does not know is left out.
        config_file: PathBuf = PathBuf::new();
        /// File with the JSON object that `config/` tells as `theme_customization`.
        theme_file: PathBuf = PathBuf::new();
    }
    /// Secret links to calendars (`/ical/TOKEN.ics`), which people make by the REST service.
    feeds: Feeds {
        /// What links show of events that their owner has marked private or confidential: when they are (`busy`), nothing of private ones (`hidden`), or all (`full`).
        private: Unpublic = Unpublic::Busy;
        /// Requests for links that may come from one address in a minute; 0 is no limit. For one link they are 60.
        requests_per_minute: u32 = 300;
    }
    /// Who may have calendars of their own, as another service knows; everybody, where none is named.
    entitlements: Entitled {
        /// Its address, which is asked as `{url}?account_email=…` and answers `{"entitlements": {"can_access": true}}`; empty is off.
        url: Option<Hook> = None;
        /// What it knows this server by: `X-Service-Auth: Bearer …`.
        token: Secret = Secret::default();
        /// File with that; a relative path lies in systemd's credentials directory.
        token_file: PathBuf = PathBuf::new();
        /// Certificates to trust for that address instead of the system's, PEM; a relative path lies in systemd's credentials directory.
        ca_file: PathBuf = PathBuf::new();
        /// For how long its word is taken without asking again; while it does not answer, its last word holds.
        ttl: Span = Span::seconds(300);
        /// Time for its answer.
        timeout: Span = Span::seconds(5);
    }
    /// What is told on standard error.
    log: Log {
        /// The least that is told.
        level: Level = Level::Info;
        /// One line of fixed order, or JSON.
        format: LogFormat = LogFormat::Line;
    }
    /// Traces (OpenTelemetry): how long each request took, and each of its statements.
    trace: Trace {
        /// The collector's address for traces by OTLP over HTTP, as `http://127.0.0.1:4318/v1/traces`; empty is off.
        endpoint: Option<Collector> = None;
        /// Certificates to trust for that address instead of the system's, PEM; a relative path lies in systemd's credentials directory.
        ca_file: PathBuf = PathBuf::new();
        /// Of a hundred requests, how many are traced; where the proxy has decided (`traceparent`), its word counts.
        sample: u32 = 100;
        /// Whether traces name the user.
        user: bool = false;
    }
    /// What people find out about each other; `identity.admins` and `identity.readers` always do.
    privacy: Privacy {
        /// Who may know that somebody is here, read their name and address, and grant them rights: `everyone` who signed in, `groups` (who is in a group with them) or `nobody`.
        principals: Audience = Audience::Everyone;
        /// Who finds whom by a part of the name or address: `everyone`, `groups` or `nobody`; never somebody who may not be known.
        search: Audience = Audience::Everyone;
        /// Whether a listing of the principals shows everybody who may be found, up to 500; otherwise people see themselves alone.
        listing: bool = false;
        /// Whether events that are private or confidential are so for everybody whom their owner has not given `read-private` (in an access control list, with "all").
        objects: bool = true;
        /// Whether people may erase themselves, with all that they have, by the REST service (`DELETE account/`); whoever runs the server can in any case (`kalends principal purge`).
        erasure: bool = true;
        /// Time for that, in the place of `limits.request_time`: who has much is erased in one piece.
        erasure_time: Span = Span::seconds(600);
    }
    /// What is kept of who did what to people and rights (`kalends audit`).
    audit: Audit {
        /// Days for which it is kept; 0 is for ever.
        retention_days: u32 = 365;
    }
    /// Calendars that people share with each other.
    sharing: Sharing {
        /// How a shared calendar gets into the home of whom it is shared with: `automatic`, at once, or `invitation`, when they have accepted.
        accept: Accept = Accept::Automatic;
        /// So many calendars of others come into one home by themselves; what is shared with somebody who has as many waits until they accept it, as by `invitation`. 0 is no limit.
        max_automatic: u32 = 250;
        /// To how many people and groups one calendar may be shared; entries that one access control list may have.
        max_sharees: u32 = 250;
        /// Whether a meeting that somebody adds to a calendar of another must have the owner as its organizer.
        owner_organizes: bool = true;
    }
    /// Calendars and what is in them.
    calendar: Calendar {
        /// Bytes of one calendar object.
        max_resource_size: Size = Size(1 << 20);
        /// Instances one object may have in a year's range.
        max_instances: u32 = 3000;
        /// Attendees of one object.
        max_attendees: u32 = 100;
        /// Objects of one calendar; 0 is no limit.
        max_resources: u32 = 0;
        /// Bytes of all objects of one home together; 0 is no limit. Whoever has used four fifths of it finds a notification within the hour.
        quota: Size = Size(0);
        /// The earliest time that may stand in an object, as `1970-01-01T00:00:00Z`; empty is no limit.
        min_date_time: Option<Moment> = None;
        /// The latest one. What recurs is judged as far ahead as it is indexed.
        max_date_time: Option<Moment> = None;
        /// Calendars of one home.
        max_collections: u32 = 250;
        /// Whether everybody's free-busy time, at `…/calendars/NAME/freebusy`, is told to whoever asks, without a sign-in: when they are busy, and no more. The proxy must let those paths through.
        public_freebusy: bool = false;
        /// The time zone of floating times where nothing else says it.
        timezone: String = "UTC".into();
        /// Addresses of time zone services (RFC 7808) that clients are told of; none is told of where the list is empty.
        timezone_services: Vec<Page> = Vec::new();
        /// Days ahead for which recurring events are indexed.
        horizon_days: u32 = 800;
        /// Days for which it is remembered what was deleted; a client that was away for longer compares everything once. 0 is for ever.
        sync_retention_days: u32 = 180;
        /// Name of the calendar everybody is given.
        default_name: String = "Calendar".into();
        /// Name of the task list everybody is given.
        tasks_name: String = "Tasks".into();
    }
    /// Who changed what in calendars, what was there before, and what was deleted.
    history: History {
        /// Days for which it is kept who changed what, with which program, and what was there before; 0 is off.
        versions_days: u32 = 30;
        /// Days for which deleted objects and calendars lie in the trash; 0 is off: what is deleted is gone, and with it what is kept of it.
        trash_days: u32 = 30;
        /// Minutes in which what the same person changes again with the same program is one change: of it the first state before is kept.
        fold_minutes: u32 = 5;
        /// Bytes that history and trash of one home take together; beyond it the oldest goes first. 0 is no limit. They do not count for `calendar.quota`.
        home_bytes: Size = Size(100 << 20);
        /// Whether the trash is listed in homes: hidden or listed. Hidden it can be used all the same; its address is in a property of the home. Programs that show it as something of their own are better off so.
        trash_collection: Shown = Shown::Hidden;
    }
    /// What people are told of in their notifications.
    notifications: Notifications {
        /// Days after which a notification is forgotten that nobody has deleted; 0 is never.
        retention_days: u32 = 90;
    }
    /// What of an object is changed before it is stored. By default nothing is: octets are kept as they came. Whoever sends what is changed gets no entity tag for it.
    rewrite: Rewrite {
        /// Whether attachments and pictures whose content lies in the object are taken out; links stay. An object may then be as long as `limits.body_bytes` when it comes, as with the next two.
        strip_inline: bool = false;
        /// Bytes of a DESCRIPTION, COMMENT or X-ALT-DESC: longer ones are cut, with dots at their end; 0 is no limit.
        description_bytes: Size = Size(0);
        /// Bytes of a SUMMARY or LOCATION: longer ones are cut, with dots at their end; 0 is no limit.
        summary_bytes: Size = Size(0);
        /// Whether mail addresses of attendees are written in small letters, and of an attendee who is listed twice only the answer that says most is kept.
        attendees: bool = false;
        /// Whether contradictions are taken out that programs read in different ways: an EXDATE for an instance that has an override, or before the series; an override without an instance; an alarm that is there twice.
        contradictions: bool = false;
    }
}

/// The table as the text of docs/settings.md.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::from(concat!(
        "# Settings\n\n",
        "Printed by `kalends list settings`; do not edit. Settings come from the TOML file and then from the environment: ",
        "`limits.body_bytes` is `KALENDS__LIMITS__BODY_BYTES`. An empty variable counts as not set. ",
        "Unknown names are refused. Lists in the environment are separated by commas.\n"
    ));
    for (section, about) in SECTIONS {
        text.extend([
            "\n## ",
            section,
            "\n",
            about,
            "\n\n| Setting | Type | Default | Meaning |\n|---|---|---|---|\n",
        ]);
        for row in settings() {
            if let Some(field) = row.key.strip_prefix(section).and_then(|rest| rest.strip_prefix('.')) {
                let doc = row.doc.replace('|', "\\|");
                text.extend(["| `", field, "` | ", row.kind, " | `", &row.default, "` | ", &doc, " |\n"]);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_documented_in_a_sentence() {
        for row in settings() {
            assert!(row.doc.ends_with('.') && row.doc.len() > 10, "{}: {:?}", row.key, row.doc);
        }
    }

    #[test]
    fn the_page_has_every_setting_once() {
        let page = markdown();
        for row in settings() {
            let field = row.key.split('.').next_back().unwrap();
            assert!(page.contains(&format!("| `{field}` |")), "{}", row.key);
        }
        assert_eq!(page.lines().filter(|line| line.starts_with("| `")).count(), settings().len());
    }
}

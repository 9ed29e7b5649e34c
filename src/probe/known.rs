//! What is known of the site while it is tried: where things lie, who the operator is there, what kalends is told to do.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::site::Site;
use crate::config::{HeaderName, Settings};

/// The name that is forged; nobody has it.
pub(super) const NOBODY: &str = "kalends-check";

const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@');

/// The facts that requests are made from and answers judged by.
pub(super) struct Known {
    /// `https` or `http`.
    pub(super) scheme: &'static str,
    pub(super) authority: String,
    pub(super) host: String,
    pub(super) settings: Settings,
    /// Whether the settings were read from a file: without one they are the defaults, and less is sure.
    pub(super) configured: bool,
    pub(super) bases: Vec<String>,
    /// The operator's own Authorization header.
    pub(super) authorization: Option<String>,
    /// The name it was given for; empty with a token.
    pub(super) login: String,
    /// Whom kalends took the operator for, in an undisturbed request.
    pub(super) user: Option<String>,
    /// What kalends has stored of them.
    pub(super) mail: Option<String>,
    pub(super) shown: Option<String>,
    /// Whether answers of kalends bear the request's id.
    pub(super) marked: bool,
    /// The calendar that writing is tried in.
    pub(super) calendar: String,
    /// Whether it is there.
    pub(super) made: bool,
    /// The port where the site answers without TLS, if that is to be tried.
    pub(super) plain: Option<u16>,
}

impl Known {
    /// What is known before anybody was asked.
    pub(super) fn new(site: &Site, settings: Settings, configured: bool) -> Self {
        let path = if site.path.ends_with('/') { site.path.clone() } else { format!("{}/", site.path) };
        let bases = if configured || path == "/" { settings.server.base_paths.clone() } else { vec![path] };
        Self {
            scheme: if site.secure { "https" } else { "http" },
            authority: site.authority.clone(),
            host: site.host.clone(),
            configured,
            bases,
            authorization: None,
            login: String::new(),
            user: None,
            mail: None,
            shown: None,
            marked: false,
            calendar: format!("kalends-check-{}", &uuid::Uuid::new_v4().simple().to_string()[..12]),
            made: false,
            plain: (site.secure && site.port == 443).then_some(80),
            settings,
        }
    }

    /// Whether the site is https.
    pub(super) fn is_secure(&self) -> bool {
        self.scheme == "https"
    }

    /// Whether kalends is told to believe this process: then it proves nothing that it does.
    pub(super) fn is_trusted_here(&self) -> bool {
        let uid = rustix::process::geteuid().as_raw();
        let uids = &self.settings.identity.trusted_uids;
        uids.is_empty() || uids.contains(&uid)
    }

    /// The base path that is advertised.
    pub(super) fn base(&self) -> &str {
        &self.bases[0]
    }

    /// The operator's name in paths.
    pub(super) fn segment(&self) -> String {
        let name = self.user.as_deref().unwrap_or(&self.login);
        utf8_percent_encode(if name.is_empty() { NOBODY } else { name }, SEGMENT).to_string()
    }

    /// A path below the operator's home.
    pub(super) fn home(&self, rest: &str) -> String {
        format!("{}calendars/{}/{rest}", self.base(), self.segment())
    }

    /// A path in the calendar that writing is tried in.
    pub(super) fn tried(&self, rest: &str) -> String {
        self.home(&format!("{}/{rest}", self.calendar))
    }

    /// The operator's principal.
    pub(super) fn principal(&self) -> String {
        format!("{}principals/{}/", self.base(), self.segment())
    }

    /// Whom a client without credentials pretends to be: the operator, so that no account is made for a name that is free.
    pub(super) fn victim(&self) -> &str {
        self.user.as_deref().unwrap_or(NOBODY)
    }

    /// Every kind of place that a location of the proxy may hold apart.
    pub(super) fn places(&self) -> Vec<String> {
        let user = self.segment();
        let mut places: Vec<String> = ["/", "/principals/", "/.well-known/caldav"].map(str::to_owned).into();
        for base in &self.bases {
            let below = ["", "principals/", "calendars/"].map(|rest| format!("{base}{rest}"));
            places.extend(below);
            places.push(format!("{base}principals/{user}/"));
            places.extend(["", "calendar/", "inbox/"].map(|rest| format!("{base}calendars/{user}/{rest}")));
            places.push(format!("{base}{user}/calendar/"));
        }
        places
    }

    /// The name of a header of kalends', on or off.
    pub(super) fn header(of: &HeaderName) -> &str {
        of.name().unwrap_or(of.usual())
    }

    /// The header that names the user.
    pub(super) fn user_header(&self) -> &str {
        Self::header(&self.settings.identity.header)
    }

    /// Every header by which kalends could be told something of the user.
    pub(super) fn identity_headers(&self) -> [&str; 8] {
        let identity = &self.settings.identity;
        [
            &identity.header,
            &identity.secret_header,
            &identity.email_header,
            &identity.name_header,
            &identity.subject_header,
            &identity.groups_header,
            &identity.auth_type_header,
            &self.settings.token.header,
        ]
        .map(Self::header)
    }
}

#[cfg(test)]
impl Known {
    /// Alice, signed in at a site that passes request ids on.
    pub(super) fn alice() -> Self {
        let site = Site::new("https://cal.example.org", None, None).expect("an address");
        let mut known = Self::new(&site, Settings::default(), true);
        known.user = Some("alice".into());
        known.marked = true;
        known
    }
}

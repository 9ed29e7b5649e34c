//! What settings must be together: above all, that nobody but the proxy can say who somebody is.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use crate::config::load::Fault;
use crate::config::settings::{Identity, Rewrite, Settings};
use crate::config::{Listen, Origin, Secret};

/// Fewest characters of a secret.
const SECRET_LENGTH: usize = 16;

/// The broadest network that may be trusted, by address family: `10.0.0.0/8` and `fc00::/7` are whole private ranges,
/// and what is broader holds strangers.
const BROADEST: (u8, u8) = (8, 7);

/// Why listening on `address` would let somebody forge the identity header, if it would. The same rule judges the
/// settings and the sockets that systemd hands over.
#[must_use]
pub fn exposure(address: SocketAddr, settings: &Settings) -> Option<Fault> {
    let identity = &settings.identity;
    let ip = address.ip().to_canonical();
    if ip.is_loopback() {
        let reachable =
            identity.trusted.is_empty() || identity.trusted.iter().any(|net| net.addr().is_loopback());
        return (!reachable).then(|| {
            let text = format!("holds no loopback network, so nobody could sign in at {address}: add {ip}");
            Fault::new("identity.trusted", text)
        });
    }
    if identity.trusted.is_empty() {
        let text =
            format!("must name the proxies' networks, because {address} can be reached by other machines");
        return Some(Fault::new("identity.trusted", text));
    }
    (identity.secret.is_empty() && !settings.asks_for_certificates()).then(|| {
        let text = format!(
            "must be set (or identity.secret_file, or server.tls_client_ca), because {address} can be reached by other machines: `openssl rand -hex 32` makes one"
        );
        Fault::new("identity.secret", text)
    })
}

impl Identity {
    /// The networks whose peers may name users: those that are set, or loopback.
    #[must_use]
    pub fn networks(&self) -> Vec<IpNet> {
        if self.trusted.is_empty() {
            let v4 = IpNet::new(IpAddr::from([127, 0, 0, 0]), 8);
            let v6 = IpNet::new(IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]), 128);
            return [v4, v6].into_iter().flatten().collect();
        }
        self.trusted.clone()
    }
}

impl Identity {
    /// What comes from the check of app passwords must be told from what others say.
    fn credentials(&self) -> Option<Fault> {
        let both = |kind: &&String| self.subjectless.iter().any(|other| other.eq_ignore_ascii_case(kind));
        if !self.credential_types.is_empty() && self.auth_type_header.name().is_none() {
            let why = "needs identity.auth_type_header: set it to \"default\", and let the proxy send it";
            return Some(Fault::new("identity.credential_types", why));
        }
        let twice = self.credential_types.iter().find(both)?;
        let why = format!(
            "has {twice:?}, and so has identity.subjectless: a kind of sign-in is of names or of app passwords"
        );
        Some(Fault::new("identity.credential_types", why))
    }

    /// Whether an address can say who somebody is.
    fn addresses(&self) -> Option<Fault> {
        let fault = |text: &str| Some(Fault::new("identity.match_email", text));
        if !self.match_email {
            None
        } else if self.subject_header.name().is_none() || self.email_header.name().is_none() {
            fault("needs identity.subject_header and identity.email_header: set both to \"default\"")
        } else if self.shared_email {
            fault(
                "makes one person of an address, and identity.shared_email makes two: set one of them to false",
            )
        } else {
            None
        }
    }
}

impl Rewrite {
    /// Whether objects may become shorter by much, so that they may come longer than they may be.
    #[must_use]
    pub fn shortens(&self) -> bool {
        self.strip_inline || *self.description_bytes > 0 || *self.summary_bytes > 0
    }
}

impl Settings {
    /// Everything that forbids a start.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = self.listeners();
        faults.extend(self.trust());
        faults.extend(self.lock());
        faults.extend(self.paths());
        faults.extend(self.numbers());
        faults
    }

    /// What an operator should know, though the server starts.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let loopback = |listen: &Listen| matches!(listen, Listen::Tcp(address) if address.ip().is_loopback());
        let mut warnings = Vec::new();
        let proven = self.asks_for_certificates() || !self.identity.secret.is_empty();
        if self.server.listen.iter().any(loopback) && !proven {
            warnings.push(
                "identity.secret is not set: every local user and process can say to be anybody over loopback; set it, or listen on a Unix socket".into(),
            );
        }
        if self.limits.header_time.as_secs() <= 60 {
            warnings.push(
                "limits.header_time does not exceed 60 s: nginx keeps idle connections as long, and answers 502 when it uses one that is just closed".into(),
            );
        }
        if self.server.public_url.is_none() {
            warnings.push("server.public_url is not set: absolute URLs of clients are compared with the Host header alone".into());
        }
        warnings.extend(self.lock_warnings());
        if self.identity.match_email {
            warnings.push("identity.match_email is on: whoever can make the identity provider tell somebody's e-mail address gets their calendars; switch it off when everybody has signed in once".into());
        }
        if self.identity.subject_header.name().is_some() && !self.identity.subject_required {
            warnings.push("identity.subject_required is off: who makes the proxy leave the subject out is whoever has the name; identity.auth_type_header says it of the sign-ins without one alone".into());
        }
        warnings
    }

    fn listeners(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.server.listen.is_empty() {
            faults.push(Fault::new("server.listen", "is empty: name an address, as 127.0.0.1:8008"));
        }
        for (index, listen) in self.server.listen.iter().enumerate() {
            if self.server.listen[..index].contains(listen) {
                faults.push(Fault::new("server.listen", format!("has {listen} twice")));
            }
            if let Listen::Tcp(address) = listen {
                faults.extend(exposure(*address, self));
            }
        }
        match &self.monitor.listen {
            Some(Listen::Systemd) => {
                faults
                    .push(Fault::new("monitor.listen", "cannot be systemd: those sockets are the server's"));
            }
            Some(listen) if self.server.listen.contains(listen) => {
                faults.push(Fault::new(
                    "monitor.listen",
                    "is an address of server.listen: give it one of its own",
                ));
            }
            _ => {}
        }
        match &self.api.listen {
            // Which of its sockets is meant they say themselves.
            Some(Listen::Systemd) => {}
            Some(listen)
                if self.server.listen.contains(listen) || self.monitor.listen.as_ref() == Some(listen) =>
            {
                faults.push(Fault::new(
                    "api.listen",
                    "is an address of another listener: give it one of its own",
                ));
            }
            Some(Listen::Tcp(address)) => faults.extend(exposure(*address, self)),
            _ => {}
        }
        let told = |origin: &&Origin| {
            let (scheme, port) = (origin.as_str().split(':').next(), origin.as_str().rsplit(':').next());
            [(Some("https"), Some("443")), (Some("http"), Some("80"))].contains(&(scheme, port))
        };
        for origin in self.server.cors_origins.iter().filter(told) {
            let text = format!("holds {origin}, but browsers leave the usual port out: write it without");
            faults.push(Fault::new("server.cors_origins", text));
        }
        if !u32::from_str_radix(&self.server.unix_mode, 8).is_ok_and(|mode| mode <= 0o777) {
            faults.push(Fault::new("server.unix_mode", "is not a mode of a file: write 0660"));
        }
        faults
    }

    fn trust(&self) -> Vec<Fault> {
        let identity = &self.identity;
        let mut faults = Vec::new();
        for net in &identity.trusted {
            let broadest = if net.addr().is_ipv4() { BROADEST.0 } else { BROADEST.1 };
            if net.prefix_len() < broadest {
                faults.push(Fault::new(
                    "identity.trusted",
                    format!("holds {net}, which is nearly everybody: name the proxies"),
                ));
            }
        }
        for (key, secret) in
            [("identity.secret", &identity.secret), ("identity.previous_secret", &identity.previous_secret)]
        {
            faults.extend(weakness(secret).map(|text| Fault::new(key, text)));
        }
        if identity.secret.is_empty() && !identity.previous_secret.is_empty() {
            faults.push(Fault::new("identity.previous_secret", "is set without identity.secret"));
        }
        faults.extend(self.header_names());
        faults.extend(identity.addresses());
        faults.extend(identity.credentials());
        if let Some(listen @ Listen::Tcp(address)) = &self.api.fastcgi
            && !address.ip().is_loopback()
        {
            let why = format!("is {listen}, which other machines reach: passwords are in the clear there");
            faults.push(Fault::new("api.fastcgi", why));
        }
        if identity.groups_separator.is_empty() {
            faults.push(Fault::new("identity.groups_separator", "is empty: write `,`"));
        }
        for (key, domain) in [
            ("identity.strip_domain", &identity.strip_domain),
            ("identity.append_domain", &identity.append_domain),
            ("identity.email_domain", &identity.email_domain),
        ] {
            if !domain.is_empty() && !is_domain(domain) {
                faults.push(Fault::new(
                    key,
                    format!("is {domain:?}, which is not a domain: write example.org, without an @"),
                ));
            }
        }
        for domain in identity.local_domains.iter().filter(|domain| !is_domain(domain)) {
            faults.push(Fault::new(
                "identity.local_domains",
                format!("holds {domain:?}, which is not a domain: write example.org"),
            ));
        }
        if !identity.challenge.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            faults.push(Fault::new("identity.challenge", "has characters that a header cannot carry"));
        }
        faults
    }

    /// The headers of identity: the two that must be there, and no two alike.
    fn header_names(&self) -> Vec<Fault> {
        let identity = &self.identity;
        let named = [
            ("identity.header", &identity.header),
            ("identity.secret_header", &identity.secret_header),
            ("identity.email_header", &identity.email_header),
            ("identity.name_header", &identity.name_header),
            ("identity.subject_header", &identity.subject_header),
            ("identity.auth_type_header", &identity.auth_type_header),
            ("identity.groups_header", &identity.groups_header),
            ("token.header", &self.token.header),
        ];
        let mut faults = Vec::new();
        for (index, (key, header)) in named.iter().enumerate() {
            let Some(name) = header.name() else {
                if index < 2 {
                    faults.push(Fault::new(key, format!("is empty: write {}", header.usual())));
                }
                continue;
            };
            let clash = |(_, other): &&(&str, &crate::config::HeaderName)| {
                other.name().is_some_and(|other| other.eq_ignore_ascii_case(name))
            };
            if let Some((other, _)) = named[..index].iter().find(clash) {
                faults.push(Fault::new(key, format!("has the name of {other}")));
            }
            if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name)) {
                faults.push(Fault::new(key, format!("is {name}, which means something else in HTTP")));
            }
        }
        faults
    }

    fn paths(&self) -> Vec<Fault> {
        let plain = |path: &str| {
            let segment = |segment: &str| {
                !segment.is_empty()
                    && segment.bytes().any(|byte| byte != b'.')
                    && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
            };
            path == "/"
                || path
                    .strip_prefix('/')
                    .and_then(|path| path.strip_suffix('/'))
                    .is_some_and(|path| path.split('/').all(segment))
        };
        let mut faults = Vec::new();
        if self.server.base_paths.is_empty() {
            faults.push(Fault::new("server.base_paths", "is empty: name one, as /dav/"));
        }
        for path in self.server.base_paths.iter().filter(|path| !plain(path)) {
            let text =
                format!("holds {path:?}, which is not a plain path: write /dav/, with a slash at both ends");
            faults.push(Fault::new("server.base_paths", text));
        }
        faults
    }

    fn numbers(&self) -> Vec<Fault> {
        let (limits, calendar) = (&self.limits, &self.calendar);
        let least = [
            ("limits.connections", u64::from(limits.connections), 1),
            ("limits.requests", u64::from(limits.requests), 1),
            ("limits.headers", u64::from(limits.headers), 16),
            ("limits.header_bytes", *limits.header_bytes as u64, 8192),
            ("limits.body_bytes", *limits.body_bytes as u64, 1024),
            ("limits.header_time", milliseconds(*limits.header_time), 1),
            ("limits.body_time", milliseconds(*limits.body_time), 1),
            ("limits.request_time", milliseconds(*limits.request_time), 1),
            ("limits.lock_timeout", milliseconds(*limits.lock_timeout), 1000),
            ("privacy.erasure_time", milliseconds(*self.privacy.erasure_time), 1),
            ("api.import_bytes", *self.api.import_bytes as u64, 1024),
            ("api.import_time", milliseconds(*self.api.import_time), 1),
            ("database.pool_size", u64::from(self.database.pool_size), 1),
            ("database.connect_time", milliseconds(*self.database.connect_time), 1),
            ("database.wait_time", milliseconds(*self.database.wait_time), 1),
            ("calendar.max_resource_size", *calendar.max_resource_size as u64, 1024),
            ("calendar.max_instances", u64::from(calendar.max_instances), 1),
            ("calendar.max_attendees", u64::from(calendar.max_attendees), 1),
            ("calendar.max_collections", u64::from(calendar.max_collections), 1),
            ("calendar.horizon_days", u64::from(calendar.horizon_days), 1),
        ];
        let small = least.iter().filter(|(_, value, least)| value < least);
        let mut faults: Vec<_> = small
            .map(|(key, _, least)| Fault::new(key, format!("is too small: write {least} or more")))
            .collect();
        if self.trace.sample > 100 {
            faults.push(Fault::new("trace.sample", "is too large: write 100 or less"));
        }
        let cut = [
            ("rewrite.description_bytes", *self.rewrite.description_bytes),
            ("rewrite.summary_bytes", *self.rewrite.summary_bytes),
        ];
        let short = cut.iter().filter(|(_, bytes)| (1..16).contains(bytes));
        faults.extend(
            short.map(|(key, _)| Fault::new(key, "is too small: write 16 or more, or 0 for no limit")),
        );
        if *calendar.max_resource_size > *limits.body_bytes {
            faults.push(Fault::new(
                "calendar.max_resource_size",
                "exceeds limits.body_bytes, so it cannot be reached",
            ));
        }
        if let (Some(least), Some(most)) = (calendar.min_date_time, calendar.max_date_time)
            && least.second() >= most.second()
        {
            faults.push(Fault::new("calendar.max_date_time", "is not after calendar.min_date_time"));
        }
        faults
    }
}

/// Headers that cannot carry an identity, because HTTP itself or the client fills them.
const RESERVED: &[&str] = &[
    "Authorization",
    "Connection",
    "Content-Length",
    "Cookie",
    "Host",
    "Transfer-Encoding",
    "X-Forwarded-For",
    "X-Request-Id",
];

fn weakness(secret: &Secret) -> Option<String> {
    let text = secret.reveal();
    if text.is_empty() {
        None
    } else if text.len() < SECRET_LENGTH {
        Some(format!("is too short: {SECRET_LENGTH} characters or more; `openssl rand -hex 32` makes one"))
    } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Some("has characters that a header cannot carry: letters, digits and signs".into())
    } else {
        None
    }
}

pub(super) fn is_domain(text: &str) -> bool {
    text.split('.').all(|label| {
        !label.is_empty() && label.chars().all(|letter| letter.is_alphanumeric() || letter == '-')
    })
}

fn milliseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(change: impl FnOnce(&mut Settings)) -> Vec<String> {
        let mut settings = Settings::default();
        change(&mut settings);
        settings.faults().into_iter().map(|fault| fault.key).collect()
    }

    fn open(settings: &mut Settings) {
        settings.server.listen = vec![Listen::Tcp(([0, 0, 0, 0], 8008).into())];
    }

    fn secret() -> Secret {
        Secret::from("0123456789abcdef".to_owned())
    }

    #[test]
    fn the_defaults_are_right_and_warn_of_loopback() {
        assert_eq!(Settings::default().faults(), vec![]);
        assert!(Settings::default().warnings()[0].contains("identity.secret"));
    }

    #[test]
    fn no_address_lets_strangers_forge_the_header() {
        assert_eq!(faults(open), ["identity.trusted"]);
        let trusted = |nets: &[&str], secret: Secret| {
            let nets: Vec<IpNet> = nets.iter().map(|net| net.parse().unwrap()).collect();
            faults(move |settings| {
                open(settings);
                settings.identity.trusted = nets;
                settings.identity.secret = secret;
            })
        };
        assert_eq!(trusted(&["10.0.0.0/8"], Secret::default()), ["identity.secret"]);
        assert_eq!(trusted(&["10.0.0.0/8"], secret()), [""; 0]);
        for broad in ["0.0.0.0/0", "::/0", "128.0.0.0/1", "2000::/3", "::/1"] {
            assert_eq!(trusted(&[broad], secret()), ["identity.trusted"], "{broad}");
        }
        assert_eq!(trusted(&["10.0.0.0/8"], Secret::from("short".to_owned())), ["identity.secret"]);
    }

    #[test]
    fn a_listener_nobody_is_trusted_at_is_a_fault() {
        let keys = faults(|settings| settings.identity.trusted = vec!["10.0.0.0/8".parse().unwrap()]);
        assert_eq!(keys, ["identity.trusted"]);
    }

    #[test]
    fn paths_domains_and_numbers_are_checked() {
        assert_eq!(faults(|settings| settings.server.base_paths.push("dav".into())), ["server.base_paths"]);
        assert_eq!(
            faults(|settings| settings.server.base_paths.push("/a/../".into())),
            ["server.base_paths"]
        );
        assert_eq!(
            faults(|settings| settings.identity.email_domain = "@x".into()),
            ["identity.email_domain"]
        );
        assert_eq!(faults(|settings| settings.limits.requests = 0), ["limits.requests"]);
        assert_eq!(faults(|settings| settings.trace.sample = 101), ["trace.sample"]);
        let page = |text: &str| faults(|settings| settings.server.cors_origins = vec![text.parse().unwrap()]);
        assert_eq!(page("https://app.example.org:443"), ["server.cors_origins"]);
        assert_eq!(page("http://app.example.org:443"), [""; 0]);
        assert_eq!(faults(|settings| settings.server.unix_mode = "0999".into()), ["server.unix_mode"]);
        assert_eq!(
            faults(|settings| settings.monitor.listen = Some(settings.server.listen[0].clone())),
            ["monitor.listen"]
        );
    }

    #[test]
    fn an_address_says_who_somebody_is_only_where_it_can() {
        let matching = |change: fn(&mut Identity)| {
            let mut settings = Settings::default();
            settings.identity.match_email = true;
            change(&mut settings.identity);
            assert!(settings.warnings().iter().any(|warning| warning.contains("match_email")));
            settings.faults().into_iter().map(|fault| fault.to_string()).collect::<Vec<_>>()
        };
        let named = |identity: &mut Identity| {
            identity.subject_header = crate::config::HeaderName::named("X-Forwarded-Sub");
            identity.email_header = crate::config::HeaderName::named("X-Forwarded-Email");
        };
        assert!(matching(|_| ())[0].contains("needs identity.subject_header"));
        assert_eq!(matching(named), [""; 0]);
        let both = |identity: &mut Identity| {
            identity.subject_header = crate::config::HeaderName::named("X-Forwarded-Sub");
            identity.email_header = crate::config::HeaderName::named("X-Forwarded-Email");
            identity.shared_email = true;
        };
        assert!(matching(both)[0].contains("identity.shared_email makes two"));
    }

    #[test]
    fn two_settings_cannot_name_one_header() {
        let keys = faults(|settings| {
            settings.identity.email_header = crate::config::HeaderName::named("X-Forwarded-User");
        });
        assert_eq!(keys, ["identity.email_header"]);
    }
}

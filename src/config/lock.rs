//! What the second lock needs to be whole: forwarded tokens, and certificates between proxy and server.

use std::path::Path;

use crate::config::check::is_domain;
use crate::config::load::Fault;
use crate::config::settings::Settings;
use crate::config::{Listen, Required};

impl Settings {
    /// Whether a proxy that comes by an address must show a certificate.
    #[must_use]
    pub fn asks_for_certificates(&self) -> bool {
        is_set(&self.server.tls_client_ca)
    }

    pub(super) fn lock(&self) -> Vec<Fault> {
        let mut faults = self.certificates();
        faults.extend(self.tokens());
        faults
    }

    /// What an operator should know of a lock that closes, but not tightly.
    pub(super) fn lock_warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let speaks_tls = |listen: &Listen| matches!(listen, Listen::Tcp(_) | Listen::Systemd);
        if is_set(&self.server.tls_certificate) && !self.server.listen.iter().any(speaks_tls) {
            warnings.push("server.tls_certificate is set, but nothing in server.listen is an address: Unix sockets stay plain".into());
        }
        if self.token.header.name().is_some() && self.token.required == Required::Never {
            warnings.push(
                "token.required is never: a proxy that is made to leave the token out is believed without one; write arrive or always".into(),
            );
        }
        warnings
    }

    fn certificates(&self) -> Vec<Fault> {
        let server = &self.server;
        let mut faults = Vec::new();
        for (key, file, other, lacks) in [
            ("server.tls_key", &server.tls_key, "server.tls_certificate", !is_set(&server.tls_certificate)),
            ("server.tls_certificate", &server.tls_certificate, "server.tls_key", !is_set(&server.tls_key)),
            (
                "server.tls_client_ca",
                &server.tls_client_ca,
                "server.tls_certificate",
                !is_set(&server.tls_certificate),
            ),
        ] {
            if is_set(file) && lacks {
                faults.push(Fault::new(key, format!("is set without {other}")));
            }
        }
        let names = &self.identity.trusted_names;
        if !names.is_empty() && !self.asks_for_certificates() {
            faults.push(Fault::new(
                "identity.trusted_names",
                "is set without server.tls_client_ca, so nobody shows a certificate",
            ));
        }
        for name in names.iter().filter(|name| !is_domain(name) || !name.is_ascii()) {
            let text = format!("holds {name:?}, which is not a DNS name: write proxy.example.org");
            faults.push(Fault::new("identity.trusted_names", text));
        }
        faults
    }

    fn tokens(&self) -> Vec<Fault> {
        let token = &self.token;
        let mut faults = Vec::new();
        if token.header.name().is_none() {
            if token.required != Required::Never {
                faults
                    .push(Fault::new("token.required", "is set without token.header: write `default` there"));
            }
            return faults;
        }
        match (is_set(&token.keys_file), &token.keys_url) {
            (false, None) => faults.push(Fault::new(
                "token.keys_url",
                "is empty, and so is token.keys_file: tokens cannot be checked without the provider's keys (its `jwks_uri`)",
            )),
            (true, Some(_)) => {
                faults.push(Fault::new("token.keys_url", "is set beside token.keys_file: remove one"));
            }
            _ => {}
        }
        let texts = [
            ("token.issuer", token.issuer.is_empty(), "write the provider's `issuer`, to the letter"),
            ("token.user_claim", token.user_claim.is_empty(), "write preferred_username"),
            (
                "token.audience",
                token.audience.is_empty() || token.audience.contains(&String::new()),
                "write the client id of this service, or tokens of other services would be taken",
            ),
        ];
        let empty = texts.iter().filter(|(_, empty, _)| *empty);
        faults.extend(empty.map(|(key, _, cure)| Fault::new(key, format!("is empty: {cure}"))));
        if token.keys_age.as_secs() < 10 {
            faults.push(Fault::new("token.keys_age", "is too small: write 10s or more"));
        }
        faults
    }
}

fn is_set(path: &Path) -> bool {
    !path.as_os_str().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{HeaderName, Secret};

    fn keys(change: impl FnOnce(&mut Settings)) -> Vec<String> {
        let mut settings = Settings::default();
        change(&mut settings);
        settings.faults().into_iter().map(|fault| fault.key).collect()
    }

    fn tls(settings: &mut Settings) {
        settings.server.tls_certificate = "/c.pem".into();
        settings.server.tls_key = "/k.pem".into();
    }

    fn token(settings: &mut Settings) {
        settings.token.header = HeaderName::named("X-Forwarded-Token");
        settings.token.keys_file = "/keys.json".into();
        settings.token.issuer = "https://id.example.org".into();
        settings.token.audience = vec!["kalends".into()];
    }

    #[test]
    fn certificates_are_a_secret_of_their_own() {
        let open = |settings: &mut Settings| {
            settings.server.listen = vec![Listen::Tcp(([0, 0, 0, 0], 8008).into())];
            settings.identity.trusted = vec!["10.0.0.0/8".parse().unwrap()];
        };
        assert_eq!(keys(open), ["identity.secret"]);
        let tls_alone = |settings: &mut Settings| {
            open(settings);
            tls(settings);
        };
        assert_eq!(keys(tls_alone), ["identity.secret"]);
        let with_clients = |settings: &mut Settings| {
            tls_alone(settings);
            settings.server.tls_client_ca = "/ca.pem".into();
            settings.identity.trusted_names = vec!["proxy.example.org".into()];
        };
        assert_eq!(keys(with_clients), [""; 0]);
        let untrusted = |settings: &mut Settings| {
            with_clients(settings);
            settings.identity.trusted = Vec::new();
        };
        assert_eq!(keys(untrusted), ["identity.trusted"]);
    }

    #[test]
    fn half_a_lock_is_a_fault() {
        assert_eq!(keys(|s| s.server.tls_key = "/k".into()), ["server.tls_key"]);
        assert_eq!(keys(|s| s.server.tls_certificate = "/c".into()), ["server.tls_certificate"]);
        assert_eq!(keys(|s| s.server.tls_client_ca = "/a".into()), ["server.tls_client_ca"]);
        assert_eq!(keys(|s| s.identity.trusted_names = vec!["a.b".into()]), ["identity.trusted_names"]);
        assert_eq!(keys(|s| s.token.required = Required::Arrive), ["token.required"]);
        let bare = |s: &mut Settings| s.token.header = HeaderName::named("X-Forwarded-Token");
        assert_eq!(keys(bare), ["token.keys_url", "token.issuer", "token.audience"]);
        assert_eq!(keys(token), [""; 0]);
        let both = |s: &mut Settings| {
            token(s);
            s.token.keys_url = Some("https://id.example.org/certs".parse().unwrap());
        };
        assert_eq!(keys(both), ["token.keys_url"]);
        let user = |s: &mut Settings| {
            token(s);
            s.token.header = HeaderName::named("X-Forwarded-User");
        };
        assert_eq!(keys(user), ["token.header"]);
    }

    #[test]
    fn a_lock_that_can_be_walked_around_is_told() {
        let mut settings = Settings::default();
        token(&mut settings);
        settings.identity.secret = Secret::from("0123456789abcdef".to_owned());
        assert!(settings.warnings().iter().any(|warning| warning.contains("token.required")));
        settings.token.required = Required::Always;
        assert!(!settings.warnings().iter().any(|warning| warning.contains("token.required")));
    }
}

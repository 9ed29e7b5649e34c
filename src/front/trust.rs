//! Which peers may say who somebody is: by address or user id, and by the secret they share with the server.

use std::fmt;
use std::net::IpAddr;

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use rustls::pki_types::ServerName;
use subtle::{Choice, ConstantTimeEq};
use webpki::EndEntityCert;

use crate::config::{self, Settings};
use crate::front::tls::Shown;

/// The other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// An address; an IPv4 address in IPv6 clothes counts as the IPv4 address.
    Tcp(IpAddr),
    /// The same over TLS, and the certificate that was shown.
    Tls(IpAddr, Shown),
    /// A process of this user, if the system tells.
    Unix(Option<u32>),
}

impl Peer {
    /// Where it is, if it has an address.
    pub(super) const fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(address) | Self::Tls(address, _) => Some(*address),
            Self::Unix(_) => None,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) | Self::Tls(address, _) => address.fmt(f),
            Self::Unix(Some(uid)) => write!(f, "uid:{uid}"),
            Self::Unix(None) => f.write_str("unix"),
        }
    }
}

/// The rule.
#[derive(Debug)]
pub(super) struct Trust {
    networks: Vec<IpNet>,
    uids: Vec<u32>,
    /// Where a certificate is needed, the names it may bear; none in the list are all.
    certified: Option<Vec<ServerName<'static>>>,
    secret_header: HeaderName,
    secrets: Vec<config::Secret>,
}

impl Trust {
    pub(super) fn new(settings: &Settings, secret_header: HeaderName) -> Self {
        let identity = &settings.identity;
        let own = [0, rustix::process::geteuid().as_raw()];
        let mut uids =
            if identity.trusted_uids.is_empty() { own.to_vec() } else { identity.trusted_uids.clone() };
        // The REST service of this process asks here, in the words of the proxy.
        if settings.api.listen.is_some() && settings.api.caldav.is_empty() {
            uids.push(own[1]);
        }
        let secrets =
            [&identity.secret, &identity.previous_secret].into_iter().filter(|secret| !secret.is_empty());
        // What is no DNS name has been refused with the settings.
        let names = identity.trusted_names.iter().filter_map(|name| ServerName::try_from(name.clone()).ok());
        Self {
            networks: identity.networks(),
            uids,
            certified: settings.asks_for_certificates().then(|| names.collect()),
            secret_header,
            secrets: secrets.cloned().collect(),
        }
    }

    /// Why the peer of a request is not believed, if it is not.
    pub(super) fn doubt(&self, peer: &Peer, headers: &HeaderMap) -> Option<&'static str> {
        let known = match peer {
            Peer::Tcp(address) | Peer::Tls(address, _) => {
                self.networks.iter().any(|network| network.contains(address))
            }
            Peer::Unix(uid) => uid.is_some_and(|uid| self.uids.contains(&uid)),
        };
        if !known {
            return Some("the peer is not in identity.trusted or identity.trusted_uids");
        }
        self.uncertified(peer).or_else(|| self.secretless(headers))
    }

    /// What is wrong with the peer's certificate, where one is needed.
    fn uncertified(&self, peer: &Peer) -> Option<&'static str> {
        let names = self.certified.as_ref()?;
        let shown = match peer {
            Peer::Unix(_) => return None,
            Peer::Tcp(_) => return Some("the connection is from before TLS"),
            Peer::Tls(_, shown) => shown.as_ref(),
        };
        let Some(shown) = shown else { return Some("the connection is from before certificates") };
        let bears = |certificate: &EndEntityCert<'_>| {
            names.iter().any(|name| certificate.verify_is_valid_for_subject_name(name).is_ok())
        };
        let right = names.is_empty() || EndEntityCert::try_from(&**shown).is_ok_and(|shown| bears(&shown));
        (!right).then_some("the peer's certificate bears no name of identity.trusted_names")
    }

    /// What is wrong with the secret, where there is one.
    fn secretless(&self, headers: &HeaderMap) -> Option<&'static str> {
        if self.secrets.is_empty() {
            return None;
        }
        let mut sent = headers.get_all(&self.secret_header).iter();
        let Some(one) = sent.next() else { return Some("the secret is missing") };
        if sent.next().is_some() {
            return Some("the secret is there twice");
        }
        // All secrets are compared, whichever is right, in a time that tells nothing of them but their length.
        let right = self.secrets.iter().map(|secret| secret.reveal().as_bytes().ct_eq(one.as_bytes()));
        let right = right.fold(Choice::from(0), |any, right| any | right);
        (!bool::from(right)).then_some("the secret is wrong")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Listen;

    #[test]
    fn the_rest_service_of_this_process_is_believed_and_nobody_else_who_is_not_named() {
        let own = rustix::process::geteuid().as_raw();
        let doubts = |change: &dyn Fn(&mut Settings), uid| {
            let mut settings = Settings::default();
            settings.identity.trusted_uids = vec![own + 33];
            change(&mut settings);
            let trust = Trust::new(&settings, HeaderName::from_static("x-kalends-secret"));
            trust.doubt(&Peer::Unix(Some(uid)), &HeaderMap::new()).is_some()
        };
        let beside = |settings: &mut Settings| settings.api.listen = Some(Listen::Systemd);
        let apart = |settings: &mut Settings| {
            beside(settings);
            settings.api.caldav = "unix:/x".into();
        };
        assert!(!doubts(&|_| (), own + 33) && doubts(&|_| (), own));
        assert!(!doubts(&beside, own + 33) && !doubts(&beside, own) && doubts(&beside, own + 1));
        assert!(doubts(&apart, own));
    }
}

//! Which peers may say who somebody is: by address or user id, and by the secret they share with the server.

use std::fmt;
use std::net::IpAddr;

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use subtle::{Choice, ConstantTimeEq};

use crate::config;

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// An address; an IPv4 address in IPv6 clothes counts as the IPv4 address.
    Tcp(IpAddr),
    /// A process of this user, if the system tells.
    Unix(Option<u32>),
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
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
    secret_header: HeaderName,
    secrets: Vec<config::Secret>,
}

impl Trust {
    pub(super) fn new(identity: &config::Identity, secret_header: HeaderName) -> Self {
        let own = [0, rustix::process::geteuid().as_raw()];
        let uids =
            if identity.trusted_uids.is_empty() { own.to_vec() } else { identity.trusted_uids.clone() };
        let secrets =
            [&identity.secret, &identity.previous_secret].into_iter().filter(|secret| !secret.is_empty());
        Self { networks: identity.networks(), uids, secret_header, secrets: secrets.cloned().collect() }
    }

    /// Why the peer of a request is not believed, if it is not.
    pub(super) fn doubt(&self, peer: Peer, headers: &HeaderMap) -> Option<&'static str> {
        let known = match peer {
            Peer::Tcp(address) => self.networks.iter().any(|network| network.contains(&address)),
            Peer::Unix(uid) => uid.is_some_and(|uid| self.uids.contains(&uid)),
        };
        if !known {
            return Some("the peer is not in identity.trusted or identity.trusted_uids");
        }
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

//! Addresses of a CalDAV server: the one that is typed, and those that its answers lead to (RFC 3986 §5).

use std::net::IpAddr;

use anyhow::{Result, bail};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// What cannot stand in a path as it is; what is encoded already stays so.
const ODD: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// An address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// Whether it is asked over TLS.
    pub secure: bool,
    /// Host, and port where one is told.
    pub authority: String,
    /// Path and query, encoded.
    pub path: String,
}

impl Place {
    /// The address that is typed, and who signs in there if it says so.
    pub fn typed(text: &str) -> Result<(Self, Option<String>)> {
        let Some((scheme, rest)) = text.split_once("://") else { bail!("{text:?} is no address") };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (user, authority) = authority.rsplit_once('@').map_or((None, authority), |(u, a)| (Some(u), a));
        if user.is_some_and(|user| user.contains(':')) {
            bail!(
                "a password in an address can be read by others: take it out, and put it into KALENDS_IMPORT_PASSWORD or a file \
                 (--password-file)"
            );
        }
        let place = Self::new(scheme, authority, path)?;
        Ok((place, user.map(|user| percent_decode_str(user).decode_utf8_lossy().into_owned())))
    }

    fn new(scheme: &str, authority: &str, path: &str) -> Result<Self> {
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => bail!("{scheme}:// is neither https:// nor http://"),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:[]".contains(c);
        if authority.is_empty() || !authority.chars().all(plain) {
            bail!("{authority:?} is no host");
        }
        let place = Self { secure, authority: authority.to_ascii_lowercase(), path: spelt(path) };
        if !secure && !place.is_here() {
            bail!(
                "http://{authority} would be told the password in the clear: use https://, or a tunnel to this machine"
            );
        }
        Ok(place)
    }

    /// Whether it is on this machine.
    fn is_here(&self) -> bool {
        let host = match self.authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
            _ => &self.authority,
        };
        let host = host.trim_matches(['[', ']']);
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// The address that stands in an answer from here.
    pub fn leads(&self, href: &str) -> Result<Self> {
        let href = href.trim();
        if let Some((scheme, rest)) = href.split_once("://").filter(|(scheme, _)| !scheme.contains('/')) {
            let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
            // Whoever signs in is told once.
            return Self::new(scheme, authority.rsplit('@').next().unwrap_or_default(), path);
        }
        if let Some(rest) = href.strip_prefix("//") {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            return Self::new(if self.secure { "https" } else { "http" }, authority, path);
        }
        if href.starts_with('/') {
            return Ok(Self { path: spelt(href), ..self.clone() });
        }
        let here = self.path.split('?').next().unwrap_or_default();
        let folder = here.rsplit_once('/').map_or("", |(folder, _)| folder);
        Ok(Self { path: spelt(&format!("{folder}/{href}")), ..self.clone() })
    }

    /// What a multistatus from here tells of: it lies on this server, whatever a proxy has made of its name.
    #[must_use]
    pub fn tells(&self, href: &str) -> Self {
        let href = href.trim();
        let path = match href.split_once("://") {
            Some((scheme, rest)) if !scheme.contains('/') => &rest[rest.find('/').unwrap_or(rest.len())..],
            _ => return self.leads(href).unwrap_or_else(|_| self.clone()),
        };
        Self { path: spelt(path), ..self.clone() }
    }

    /// The same server, another path.
    #[must_use]
    pub fn at(&self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self.clone() }
    }

    /// The server, without a path.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("{}://{}", if self.secure { "https" } else { "http" }, self.authority)
    }

    /// The path, decoded and without a slash at its end: two spellings of one path are the same.
    #[must_use]
    pub fn plain(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        percent_decode_str(path.trim_end_matches('/')).decode_utf8_lossy().into_owned()
    }

    /// The last part of the path, decoded.
    #[must_use]
    pub fn name(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default().trim_end_matches('/');
        let last = path.rsplit('/').next().unwrap_or_default();
        percent_decode_str(last).decode_utf8_lossy().into_owned()
    }

    /// Whether it lies directly in the collection `other`.
    #[must_use]
    pub fn is_in(&self, other: &Self) -> bool {
        let path = self.path.split('?').next().unwrap_or_default().trim_end_matches('/');
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        self.origin() == other.origin() && self.at(folder).plain() == other.plain()
    }
}

/// A path as it can stand in a request.
fn spelt(path: &str) -> String {
    let path = path.split('#').next().unwrap_or_default();
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    utf8_percent_encode(&path, ODD).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_signs_in_may_be_typed_and_a_password_may_not() {
        let (place, user) = Place::typed("https://alice%40x@Cal.example.org:8443/dav/ä b").unwrap();
        assert_eq!(user.as_deref(), Some("alice@x"));
        assert_eq!(
            (place.origin().as_str(), &*place.path),
            ("https://cal.example.org:8443", "/dav/%C3%A4%20b")
        );
        assert_eq!(place.name(), "ä b");
        for good in ["http://127.0.0.1:8008", "http://localhost/x", "http://[::1]:80"] {
            assert!(Place::typed(good).is_ok(), "{good}");
        }
        for bad in
            ["https://a:b@c/", "http://cal.example.org/", "ftp://x/", "https:///x", "https://a b/", "x"]
        {
            assert!(Place::typed(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_answer_leads_to_an_address() {
        let from = Place::typed("https://a.example/dav/home/?x=1").unwrap().0;
        for (href, to) in [
            ("/dav/x/", "https://a.example/dav/x/"),
            (" work/ ", "https://a.example/dav/home/work/"),
            ("https://B.example:1/y", "https://b.example:1/y"),
            ("//c.example/z", "https://c.example/z"),
            ("/a://b", "https://a.example/a://b"),
        ] {
            let there = from.leads(href).unwrap();
            assert_eq!(there.origin() + &there.path, to, "{href}");
        }
        for bad in ["http://c.example/", "https://c d/", "javascript://x"] {
            assert!(from.leads(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_member_lies_in_its_collection_however_it_is_spelt() {
        let place = |path: &str| Place { secure: true, authority: "x".to_owned(), path: path.to_owned() };
        let home = place("/dav/a%40b/work/");
        assert!(place("/dav/a@b/work/1.ics").is_in(&home) && place("/dav/a%40b/work/x%2Fy/").is_in(&home));
        for other in ["/dav/a@b/work/", "/dav/a@b/work/x/1.ics", "/1.ics"] {
            assert!(!place(other).is_in(&home), "{other}");
        }
        assert_eq!(place("/").plain(), "");
        assert_eq!(home.tells("http://inner:8080/dav/a@b/work/2.ics"), place("/dav/a@b/work/2.ics"));
        assert_eq!(home.tells("/y"), place("/y"));
    }
}

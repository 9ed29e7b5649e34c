//! The types a setting can have: how each is written, read and shown.

use std::fmt;
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use config::{Value, ValueKind};
use ipnet::IpNet;

/// A type of setting. Numbers and texts are the same here, so that what the environment says (always text) means
/// what the file says.
pub trait Kind: Sized {
    /// What it is, for people.
    const NAME: &'static str;
    /// What may be written.
    const EXAMPLE: &'static str;
    /// Reads a value; `old` is the default it replaces. The error is a sentence without its subject.
    fn read(value: Value, old: &Self) -> Result<Self, String>;
    /// The value as it would be written in the file.
    fn show(&self) -> String;
}

/// A text that is no value of its type; what would be one, [`Kind::EXAMPLE`] says.
#[derive(Clone, Copy, Debug)]
pub struct Unreadable;

/// A length of time, written `30s`, `5m`, `2h`, `1d` or `250ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl Span {
    /// So many seconds.
    #[must_use]
    pub const fn seconds(count: u64) -> Self {
        Self(Duration::from_secs(count))
    }
}

impl Deref for Span {
    type Target = Duration;
    fn deref(&self) -> &Duration {
        &self.0
    }
}

const SPANS: &[(&str, u64)] = &[("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

impl FromStr for Span {
    type Err = Unreadable;
    fn from_str(text: &str) -> Result<Self, Unreadable> {
        measure(text, SPANS).map(Duration::from_millis).map(Self).ok_or(Unreadable)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = u64::try_from(self.as_millis()).unwrap_or(u64::MAX);
        let fits = SPANS.iter().find(|(_, size)| milliseconds != 0 && milliseconds.is_multiple_of(*size));
        let (unit, size) = fits.unwrap_or(&("s", 1000));
        write!(f, "{}{unit}", milliseconds / size)
    }
}

/// A number of bytes, written `512`, `32 KiB`, `20 MiB` or `1 GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub usize);

impl Deref for Size {
    type Target = usize;
    fn deref(&self) -> &usize {
        &self.0
    }
}

const SIZES: &[(&str, u64)] = &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("", 1)];

impl FromStr for Size {
    type Err = Unreadable;
    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let bytes = measure(text, SIZES).and_then(|bytes| usize::try_from(bytes).ok());
        bytes.map(Self).ok_or(Unreadable)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0 as u64;
        let fits = SIZES.iter().find(|(_, size)| bytes != 0 && bytes.is_multiple_of(*size));
        let (unit, size) = fits.unwrap_or(&("", 1));
        let gap = if unit.is_empty() { "" } else { " " };
        write!(f, "{}{gap}{unit}", bytes / size)
    }
}

/// A whole number and its unit, in the smallest one.
fn measure(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let unit = text[digits..].trim_start();
    let (_, size) = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    text[..digits].parse::<u64>().ok()?.checked_mul(*size)
}

/// Something to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// An address and port.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
    /// The sockets systemd hands over.
    Systemd,
}

impl FromStr for Listen {
    type Err = Unreadable;
    fn from_str(text: &str) -> Result<Self, Unreadable> {
        match (text, text.strip_prefix("unix:")) {
            ("systemd", _) => Ok(Self::Systemd),
            (_, Some(path)) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            _ => text.parse().map(Self::Tcp).map_err(|_| Unreadable),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Systemd => f.write_str("systemd"),
        }
    }
}

/// A point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(jiff::Timestamp);

impl Moment {
    /// Seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn second(self) -> i64 {
        self.0.as_second()
    }

    /// As iCalendar writes it, in UTC.
    #[must_use]
    pub fn stamp(self) -> String {
        self.0.strftime("%Y%m%dT%H%M%SZ").to_string()
    }
}

impl FromStr for Moment {
    type Err = Unreadable;
    fn from_str(text: &str) -> Result<Self, Unreadable> {
        text.parse().map(Self).map_err(|_| Unreadable)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The scheme and authority of a URL, without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// As `https://dav.example.org:8443`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host and port alone.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.0.split_once("://").map_or("", |(_, authority)| authority)
    }
}

impl FromStr for Origin {
    type Err = Unreadable;
    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let origin = text.strip_suffix('/').unwrap_or(text).to_ascii_lowercase();
        let authority = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte);
        match authority {
            Some(authority) if !authority.is_empty() && authority.bytes().all(plain) => Ok(Self(origin)),
            _ => Err(Unreadable),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An address of one document, over TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page(String);

impl Page {
    /// As `https://id.example.org/certs`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Page {
    type Err = Unreadable;
    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let path = text.strip_prefix("https://").and_then(path).ok_or(Unreadable)?;
        let plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        if plain { Ok(Self(text.to_owned())) } else { Err(Unreadable) }
    }
}

/// What follows the authority of a URL without its scheme; none where there is no authority.
fn path(rest: &str) -> Option<&str> {
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    // Of an authority, Origin knows what it may be.
    Origin::from_str(&format!("https://{authority}")).is_ok().then_some(path)
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An address that takes traces; what stands in them is nobody's secret, so TLS is the operator's choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collector(String);

impl Collector {
    /// As `http://127.0.0.1:4318/v1/traces`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Collector {
    type Err = Unreadable;
    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
        let path = rest.and_then(path).ok_or(Unreadable)?;
        // Collectors answer 404 to a mere `/`.
        let plain = path.len() > 1 && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        if plain { Ok(Self(text.to_owned())) } else { Err(Unreadable) }
    }
}

impl fmt::Display for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An address that is asked with a token: over TLS, or on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook(String);

impl Hook {
    /// As `https://accounts.example.org/entitlements?service_id=1`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Hook {
    type Err = Unreadable;
    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let here = |rest: &&str| {
            let host = rest.split(['/', '?']).next().unwrap_or_default();
            ["127.0.0.1", "[::1]", "localhost"].iter().any(|name| {
                host.strip_prefix(name).is_some_and(|port| port.is_empty() || port.starts_with(':'))
            })
        };
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://").filter(here));
        let path = rest.and_then(path).ok_or(Unreadable)?;
        let plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        if plain { Ok(Self(text.to_owned())) } else { Err(Unreadable) }
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Something that is never shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The secret itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "none" } else { "(hidden)" })
    }
}

/// The name of a header, or none; it knows the name it has by default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderName {
    name: Option<String>,
    usual: &'static str,
}

impl HeaderName {
    /// A header that is on under its default name.
    #[must_use]
    pub fn named(usual: &'static str) -> Self {
        Self { name: Some(usual.into()), usual }
    }

    /// A header that is off until it is named.
    #[must_use]
    pub fn off(usual: &'static str) -> Self {
        Self { name: None, usual }
    }

    /// The name it has, if it is on.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The name it has by default, on or off.
    #[must_use]
    pub fn usual(&self) -> &'static str {
        self.usual
    }
}

macro_rules! vocabulary {
    ($($(#[doc = $about:literal])+ $Name:ident { $($(#[doc = $doc:literal])+ $Variant:ident = $text:literal,)+ })+) => {
        $(
            $(#[doc = $about])+
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            pub enum $Name {
                $($(#[doc = $doc])+ $Variant,)+
            }

            impl FromStr for $Name {
                type Err = Unreadable;
                fn from_str(text: &str) -> Result<Self, Unreadable> {
                    match text {
                        $($text => Ok(Self::$Variant),)+
                        _ => Err(Unreadable),
                    }
                }
            }

            impl fmt::Display for $Name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str(match self { $(Self::$Variant => $text,)+ })
                }
            }
        )+
    };
}

vocabulary! {
    /// Whose business somebody is.
    Audience {
        /// Everybody's who signed in.
        Everyone = "everyone",
        /// Of those who are in a group with them.
        Groups = "groups",
        /// Nobody's but their own.
        Nobody = "nobody",
    }
    /// Whether a home lists something among what is in it.
    Shown {
        /// It is there for whoever asks for it.
        Hidden = "hidden",
        /// It is listed.
        Listed = "listed",
    }
    /// What a link shows of events that are not public.
    Unpublic {
        /// All of them.
        Full = "full",
        /// When they are.
        Busy = "busy",
        /// Nothing of private ones.
        Hidden = "hidden",
    }
    /// How a calendar that is shared gets into the home of whom it is shared with.
    Accept {
        /// At once.
        Automatic = "automatic",
        /// When they have accepted.
        Invitation = "invitation",
    }
    /// How much TLS to ask of the database.
    Tls {
        /// None.
        Disable = "disable",
        /// If it offers it.
        Prefer = "prefer",
        /// Or no connection; the certificate is not checked.
        Require = "require",
        /// Or no connection; certificate and host name are checked.
        VerifyFull = "verify-full",
    }
    /// When a request must carry a token.
    Required {
        /// It may.
        Never = "never",
        /// When it brings somebody new.
        Arrive = "arrive",
        /// In any case.
        Always = "always",
    }
    /// The least important that is logged.
    Level {
        /// What an operator must mend.
        Error = "error",
        /// What an operator should look at.
        Warn = "warn",
        /// A line a request.
        Info = "info",
        /// What the server decides on the way.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
    /// The form of the log.
    LogFormat {
        /// Fields in fixed order, spaces between.
        Line = "line",
        /// One JSON object a line.
        Json = "json",
    }
}

macro_rules! kinds {
    ($($kind:ty: $name:literal, $example:literal, $show:expr;)+) => {
        $(impl Kind for $kind {
            const NAME: &'static str = $name;
            const EXAMPLE: &'static str = $example;
            fn read(value: Value, _: &Self) -> Result<Self, String> {
                parse(value)
            }
            fn show(&self) -> String {
                $show(&self.to_string())
            }
        })+
    };
}

kinds! {
    Span: "time", "30s, 5m, 2h, 1d or 250ms", quote;
    Size: "size", "a number of bytes, or 32 KiB, 20 MiB, 1 GiB", quote;
    Moment: "time", "1970-01-01T00:00:00Z", quote;
    Listen: "address", "127.0.0.1:8008, [::1]:8008, unix:/run/kalends/http.sock or systemd", quote;
    Origin: "address of a site", "https://dav.example.org, without a path", quote;
    Page: "address of a document", "https://id.example.org/realms/x/protocol/openid-connect/certs", quote;
    Collector: "address of a collector", "http://127.0.0.1:4318/v1/traces, with its path", quote;
    Hook: "address of a service", "https://accounts.example.org/entitlements; http only on this machine", quote;
    IpNet: "network", "10.1.2.0/24 or fd00::/64", quote;
    String: "text", "text in quotes", quote;
    u32: "number", "a whole number, 0 or more", str::to_owned;
    bool: "switch", "true or false", str::to_owned;
    Tls: "word", "disable, prefer, require or verify-full", quote;
    Audience: "word", "everyone, groups or nobody", quote;
    Shown: "word", "hidden or listed", quote;
    Unpublic: "word", "busy, hidden or full", quote;
    Accept: "word", "automatic or invitation", quote;
    Required: "word", "never, arrive or always", quote;
    Level: "word", "error, warn, info, debug or trace", quote;
    LogFormat: "word", "line or json", quote;
}

impl Kind for PathBuf {
    const NAME: &'static str = "path";
    const EXAMPLE: &'static str = "a path in quotes";
    fn read(value: Value, _: &Self) -> Result<Self, String> {
        parse::<String>(value).map(Self::from)
    }
    fn show(&self) -> String {
        quote(&self.display().to_string())
    }
}

impl Kind for Secret {
    const NAME: &'static str = "secret text";
    const EXAMPLE: &'static str = "text in quotes";
    fn read(value: Value, _: &Self) -> Result<Self, String> {
        parse::<String>(value).map(Self).map_err(|_| "is not text".into())
    }
    fn show(&self) -> String {
        quote("")
    }
}

impl Kind for HeaderName {
    const NAME: &'static str = "name of a header";
    const EXAMPLE: &'static str = "letters, digits and hyphens; `default`; or nothing";
    fn read(value: Value, old: &Self) -> Result<Self, String> {
        let text: String = parse(value)?;
        let name = match text.as_str() {
            "" | "false" => None,
            "default" | "true" => Some(old.usual.to_owned()),
            name if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') => Some(text),
            _ => return Err(complaint::<Self>(&text)),
        };
        Ok(Self { name, usual: old.usual })
    }
    fn show(&self) -> String {
        quote(self.name.as_deref().unwrap_or_default())
    }
}

impl<T: Kind + FromStr> Kind for Option<T> {
    const NAME: &'static str = T::NAME;
    const EXAMPLE: &'static str = T::EXAMPLE;
    fn read(value: Value, _: &Self) -> Result<Self, String> {
        let text: String = parse(value)?;
        if text.is_empty() { Ok(None) } else { parse(Value::new(None, text)).map(Some) }
    }
    fn show(&self) -> String {
        self.as_ref().map_or_else(|| quote(""), Kind::show)
    }
}

/// A list, or one text with commas between its elements, as the environment has it.
impl<T: Kind + FromStr> Kind for Vec<T> {
    const NAME: &'static str = "list";
    const EXAMPLE: &'static str = T::EXAMPLE;
    fn read(value: Value, _: &Self) -> Result<Self, String> {
        match value.kind {
            ValueKind::Array(values) => values.into_iter().map(parse).collect(),
            _ => parse::<String>(value)?
                .split(',')
                .map(str::trim)
                .filter(|text| !text.is_empty())
                .map(|text| parse(Value::new(None, text)))
                .collect(),
        }
    }
    fn show(&self) -> String {
        format!("[{}]", self.iter().map(Kind::show).collect::<Vec<_>>().join(", "))
    }
}

fn parse<T: Kind + FromStr>(value: Value) -> Result<T, String> {
    let text = value.into_string().map_err(|_| format!("is not a {}: write {}", T::NAME, T::EXAMPLE))?;
    text.parse().map_err(|_| complaint::<T>(&text))
}

fn complaint<T: Kind>(text: &str) -> String {
    format!("is {text:?}, which is not a {}: write {}", T::NAME, T::EXAMPLE)
}

fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: Kind + FromStr>(text: &str) -> Result<T, String> {
        parse(Value::new(None, text))
    }

    #[test]
    fn spans_and_sizes_are_read_and_shown_alike() {
        for (text, seconds) in [("30s", 30), ("5m", 300), ("2 h", 7200), ("1d", 86_400), ("0s", 0)] {
            let span: Span = read(text).unwrap();
            assert_eq!(span, Span::seconds(seconds));
            assert_eq!(read::<Span>(&span.to_string()).unwrap(), span);
        }
        assert_eq!(Span(Duration::from_millis(1500)).to_string(), "1500ms");
        for (text, bytes) in [("512", 512), ("32 KiB", 32 << 10), ("20mib", 20 << 20), ("1 GiB", 1 << 30)] {
            let size: Size = read(text).unwrap();
            assert_eq!(size, Size(bytes));
            assert_eq!(read::<Size>(&size.to_string()).unwrap(), size);
        }
        for bad in ["", "5", "m", "-5s", "5 weeks", "99999999999999999999s", "18446744073709551615d"] {
            assert!(read::<Span>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn complaints_tell_the_text_and_the_cure() {
        assert_eq!(
            read::<u32>("many").unwrap_err(),
            "is \"many\", which is not a number: write a whole number, 0 or more"
        );
    }

    #[test]
    fn lists_are_arrays_or_commas() {
        let array = Value::new(None, vec!["10.0.0.0/8", "::1/128"]);
        let nets = Vec::<IpNet>::read(array, &Vec::new()).unwrap();
        assert_eq!(nets, Vec::<IpNet>::read(Value::new(None, "10.0.0.0/8, ::1/128"), &Vec::new()).unwrap());
        assert_eq!(nets.len(), 2);
    }

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret::from("hunter2hunter2hunter2".to_owned());
        assert!(!format!("{secret:?}{}", secret.show()).contains("hunter"));
    }

    #[test]
    fn a_header_is_off_default_or_named() {
        let off = HeaderName::off("X-Forwarded-Email");
        let name = |text: &str| HeaderName::read(Value::new(None, text), &off).map(|header| header.name);
        assert_eq!(name(""), Ok(None));
        assert_eq!(name("default"), Ok(Some("X-Forwarded-Email".into())));
        assert_eq!(name("Mail"), Ok(Some("Mail".into())));
        assert!(name("X_Mail").is_err());
    }

    #[test]
    fn a_site_has_no_path() {
        assert_eq!(read::<Origin>("https://Dav.example.org/").unwrap().as_str(), "https://dav.example.org");
        assert!(read::<Origin>("https://dav.example.org/dav").is_err());
        assert!(read::<Origin>("dav.example.org").is_err());
    }

    #[test]
    fn a_document_comes_over_tls() {
        for good in
            ["https://id.example.org/realms/x/certs?a=b", "https://id.example.org:8443", "https://[::1]/c"]
        {
            assert_eq!(read::<Page>(good).unwrap().as_str(), good);
        }
        for bad in
            ["http://id.example.org/c", "https:///c", "https://a@b/c", "https://a/b c", "https://a/b#c", "x"]
        {
            assert!(read::<Page>(bad).is_err(), "{bad}");
        }
        for good in ["http://127.0.0.1:4318/v1/traces", "https://otlp.example.org/v1/traces"] {
            assert_eq!(read::<Collector>(good).unwrap().as_str(), good);
        }
        for bad in
            ["http://127.0.0.1:4318", "http://127.0.0.1:4318/", "127.0.0.1:4318", "http://a@b/v1/traces"]
        {
            assert!(read::<Collector>(bad).is_err(), "{bad}");
        }
        for good in
            ["http://127.0.0.1:80/e?x=1", "http://localhost/e", "http://[::1]:1/e", "https://a.example.org/e"]
        {
            assert_eq!(read::<Hook>(good).unwrap().as_str(), good);
        }
        for bad in [
            "http://a.example.org/e",
            "http://127.0.0.1.example.org/e",
            "http://localhost@b/e",
            "ftp://127.0.0.1/e",
            "https://a/#e",
        ] {
            assert!(read::<Hook>(bad).is_err(), "{bad}");
        }
    }
}

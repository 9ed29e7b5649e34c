//! Who is asking: one header, believed only from a trusted peer, turned into a name or refused. Nothing that could
//! tell of an identity is left in a request afterwards.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::config::{self, Fault, Required, Settings};
use crate::front::message::Said;
use crate::front::spelling::{Names, Spelling, is_among};
use crate::front::text;
use crate::front::token::Lock;
use crate::front::trust::{Peer, Trust};
use crate::model::Scope;

/// Somebody the proxy has signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user's name, normalised: the key of the principal.
    pub user: String,
    /// The e-mail address, lower-case.
    pub email: Option<String>,
    /// An address made from the user's name, for somebody of whom none was ever told.
    pub spare_email: Option<String>,
    /// The person's name, to be shown.
    pub name: Option<String>,
    /// The identity provider's lasting key of the person.
    pub subject: Option<String>,
    /// By what they may be recognised.
    pub recognition: Recognition,
    /// The person's groups; none when no header of groups is configured, empty when it is and was not sent. A sign-in for
    /// which the name suffices tells nothing by sending none.
    pub groups: Option<Vec<String>>,
    /// Whether the user may do everything everywhere.
    pub admin: bool,
    /// Whether the user may read everything everywhere.
    pub reader: bool,
    /// Whether a verified token says the same.
    pub proven: bool,
    /// How far the credential reaches that was checked, where it was an app password.
    pub scope: Option<Scope>,
}

impl Identity {
    /// What logs call them: by which credential they came, where it was one. No name has a slash in it.
    pub(super) fn called(&self) -> Cow<'_, str> {
        match &self.scope {
            Some(scope) => format!("{}/{}", self.user, scope.credential).into(),
            None => self.user.as_str().into(),
        }
    }
}

/// By what somebody may be recognised, as the settings are now and as this person signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recognition {
    /// Whether the name alone is enough for a person who is known by a subject.
    pub by_name: bool,
    /// Whether the address is enough for a new subject.
    pub by_email: bool,
    /// Whether somebody new gets in whose address another has.
    pub shared_email: bool,
    /// When a token must say so that somebody is new, or a name passes to another.
    pub token: Required,
}

/// Why nobody is known to ask. The front has logged it; the service answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// The proxy named nobody: 401.
    Absent,
    /// It was not the proxy that asked: 401.
    Untrusted,
    /// The name, or what came with it, cannot be right, for this reason: 403.
    Malformed(&'static str),
    /// It cannot be told now, for this reason, but soon: 503.
    Undecided(&'static str),
}

/// What the headers of one request say.
#[derive(Debug)]
pub(super) struct Judgement {
    /// Who is asking.
    pub(super) identity: Result<Identity, Denial>,
    /// Whether the peer is believed, in other headers too.
    pub(super) trusted: bool,
    /// Why not, or what is wrong, for the log.
    pub(super) doubt: Option<&'static str>,
}

/// The rules by which headers become an identity.
#[derive(Debug)]
pub(super) struct Policy {
    trust: Trust,
    user: HeaderName,
    secret: HeaderName,
    email: Option<HeaderName>,
    name: Option<HeaderName>,
    subject: Option<HeaderName>,
    /// What holds where the kind of sign-in says nothing else.
    recognition: Recognition,
    auth_type: Option<HeaderName>,
    subjectless: Vec<String>,
    credentials: Vec<String>,
    groups: Option<HeaderName>,
    groups_separator: String,
    /// What no request may keep: the names above, on or off, as [`skeleton`] has them.
    stripped: Vec<String>,
    spelling: Spelling,
    allow: Names,
    deny: Names,
    admins: Vec<String>,
    readers: Vec<String>,
    email_domain: String,
    lock: Option<Lock>,
}

impl Policy {
    /// The rules that the settings give; what those `before` have fetched is kept. To be called within the runtime.
    pub(super) fn new(settings: &Settings, before: Option<&Self>) -> Result<Self, Fault> {
        let identity = &settings.identity;
        let header = |setting: &config::HeaderName| {
            let parsed = setting.name().map(|name| name.parse::<HeaderName>().map_err(|_| name.to_owned()));
            let fault = |name| Fault::new("identity", format!("names a header {name:?} that cannot be"));
            parsed.transpose().map_err(fault)
        };
        let unnamed = || Fault::new("identity", "names no header for the user or the secret");
        let required = |setting| header(setting).and_then(|name| name.ok_or_else(unnamed));
        let spelling = Spelling::new(identity);
        let all = [
            &identity.header,
            &identity.secret_header,
            &identity.email_header,
            &identity.name_header,
            &identity.subject_header,
            &identity.auth_type_header,
            &identity.groups_header,
            &settings.token.header,
        ];
        let stripped = all.iter().flat_map(|setting| setting.name().into_iter().chain([setting.usual()]));
        let secret = required(&identity.secret_header)?;
        Ok(Self {
            trust: Trust::new(settings, secret.clone()),
            user: required(&identity.header)?,
            secret,
            email: header(&identity.email_header)?,
            name: header(&identity.name_header)?,
            subject: header(&identity.subject_header)?,
            recognition: Recognition {
                by_name: identity.subject_header.name().is_none() || !identity.subject_required,
                by_email: identity.match_email,
                shared_email: identity.shared_email,
                token: settings.token.required,
            },
            auth_type: header(&identity.auth_type_header)?,
            subjectless: identity.subjectless.clone(),
            credentials: identity.credential_types.clone(),
            groups: header(&identity.groups_header)?,
            groups_separator: identity.groups_separator.clone(),
            stripped: stripped.chain(ALWAYS_STRIPPED.iter().copied()).map(skeleton).collect(),
            allow: spelling.names(&identity.allow),
            deny: spelling.names(&identity.deny),
            admins: identity.admins.iter().map(|name| spelling.spell(name)).collect(),
            readers: identity.readers.iter().map(|name| spelling.spell(name)).collect(),
            email_domain: identity.email_domain.to_lowercase(),
            spelling,
            lock: Lock::new(&settings.token, before.and_then(|before| before.lock.as_ref()))?,
        })
    }

    /// How many keys there are to check tokens with; none where the lock is off.
    pub(super) async fn keys(&self) -> Result<Option<usize>, Fault> {
        match &self.lock {
            Some(lock) => lock.keys().await.map(Some),
            None => Ok(None),
        }
    }

    /// The headers of an identity, as they came, with the secret that a trusted peer has.
    pub(super) fn said(&self, headers: &HeaderMap) -> Said {
        let ours = [Some(&self.user), Some(&self.secret), self.email.as_ref(), self.name.as_ref()];
        let more = [self.subject.as_ref(), self.auth_type.as_ref(), self.groups.as_ref()];
        let token = self.lock.as_ref().map(Lock::header);
        let mut said = HeaderMap::new();
        for name in ours.into_iter().chain(more).chain([token]).flatten() {
            for value in headers.get_all(name) {
                said.append(name, value.clone());
            }
        }
        said.into()
    }

    /// Reads who is asking, and strips what could tell of it. Waits only for the keys of a token.
    pub(super) async fn judge(&self, peer: &Peer, headers: &mut HeaderMap) -> Judgement {
        let doubt = self.trust.doubt(peer, headers);
        let identity = match doubt {
            Some(_) => Err(Denial::Untrusted),
            None => self.identity(headers).await,
        };
        let reason = match &identity {
            Err(Denial::Malformed(reason) | Denial::Undecided(reason)) => Some(*reason),
            Err(Denial::Absent) => Some("the proxy named nobody"),
            _ => doubt,
        };
        self.strip(headers);
        Judgement { identity, trusted: doubt.is_none(), doubt: reason }
    }

    async fn identity(&self, headers: &HeaderMap) -> Result<Identity, Denial> {
        let mut identity = self.named(headers)?;
        let Some(lock) = &self.lock else { return Ok(identity) };
        let Some(proof) = lock.prove(headers).await? else { return Ok(identity) };
        let user = self.spelling.read(proof.user.as_bytes()).map_err(Denial::Malformed)?;
        if user != identity.user {
            return Err(Denial::Malformed("a token of somebody else than the header names"));
        }
        if let (Some(told), Some(proven)) = (&identity.subject, &proof.subject)
            && told != proven
        {
            return Err(Denial::Malformed("a token of another subject than the header names"));
        }
        identity.subject = proof.subject.or(identity.subject);
        identity.proven = true;
        Ok(identity)
    }

    /// Who the headers name.
    fn named(&self, headers: &HeaderMap) -> Result<Identity, Denial> {
        self.refuse_lookalikes(headers)?;
        let value = one(headers, Some(&self.user))?.ok_or(Denial::Absent)?;
        let kind = self.kind(headers)?;
        let (value, scope) = self.credential(kind.as_deref(), value)?;
        let user = self.spelling.read(value).map_err(Denial::Malformed)?;
        if self.deny.hold(&user) || !(self.allow.is_empty() || self.allow.hold(&user)) {
            return Err(Denial::Malformed("a denied user name"));
        }
        let (email, spare_email) = self.email(headers, &user)?;
        let subject = self.subject(headers)?;
        let name_suffices = scope.is_some() || is_among(&self.subjectless, kind.as_deref());
        if name_suffices && subject.is_some() {
            return Err(Denial::Malformed("a subject with a kind of sign-in that has none"));
        }
        Ok(Identity {
            email,
            spare_email,
            // A name is only shown: one that cannot be does not lock its bearer out.
            name: one(headers, self.name.as_ref())?.and_then(|value| text::visible(value).ok()),
            subject,
            recognition: Recognition {
                by_name: self.recognition.by_name || name_suffices,
                // A password of somebody who is no longer here makes nobody.
                token: if scope.is_some() { Required::Arrive } else { self.recognition.token },
                ..self.recognition
            },
            groups: self.groups(headers)?.filter(|groups| !name_suffices || !groups.is_empty()),
            admin: self.admins.contains(&user),
            reader: self.readers.contains(&user),
            proven: false,
            scope,
            user,
        })
    }

    /// Headers that a proxy, a gateway or a careless reader takes for one of ours.
    fn refuse_lookalikes(&self, headers: &HeaderMap) -> Result<(), Denial> {
        let ours = [Some(&self.user), Some(&self.secret), self.email.as_ref(), self.name.as_ref()];
        let more = [self.subject.as_ref(), self.auth_type.as_ref(), self.groups.as_ref()];
        let token = self.lock.as_ref().map(Lock::header);
        let ours = ours.into_iter().chain(more).chain([token]).flatten();
        for ours in ours {
            let shape = skeleton(ours.as_str());
            if headers.keys().any(|other| other != ours && skeleton(other.as_str()) == shape) {
                return Err(Denial::Malformed("a header that looks like an identity header"));
            }
        }
        Ok(())
    }

    /// The address that was sent, or the one that the user's name gives: where a header for addresses is configured, that
    /// one is a makeshift, for not every kind of sign-in has the header.
    fn email(&self, headers: &HeaderMap, user: &str) -> Result<(Option<String>, Option<String>), Denial> {
        if let Some(value) = one(headers, self.email.as_ref())? {
            // Proxies write "n/a" or "(null)" for a person without one: no address, and no reason to lock anybody out.
            let read = text::address(value);
            if let Err(why) = read {
                tracing::warn!("the e-mail address that the proxy sent is passed over: {why}");
            }
            return Ok((read.ok(), None));
        }
        let made = match (user.contains('@'), self.email_domain.as_str()) {
            (true, _) => user.to_lowercase(),
            (false, "") => return Ok((None, None)),
            (false, domain) => format!("{}@{domain}", user.to_lowercase()),
        };
        // A name with, say, a space is a name and makes no address.
        let made = text::address(made.as_bytes()).ok();
        Ok(if self.email.is_some() { (None, made) } else { (made, None) })
    }

    /// The kind of sign-in. Where its header is configured it must be there: a client that makes a proxy leave headers out
    /// gains nothing by it.
    fn kind(&self, headers: &HeaderMap) -> Result<Option<String>, Denial> {
        let Some(header) = &self.auth_type else { return Ok(None) };
        let value = one(headers, Some(header))?.ok_or(Denial::Malformed("no kind of sign-in"))?;
        text::visible(value).map(Some).map_err(Denial::Malformed)
    }

    /// The user's name in the value, and with the kind of sign-in that app passwords have how far the one reaches that was
    /// checked. With that kind a bare name is nobody, and with any other one a name with more is: so neither passes for the
    /// other.
    fn credential<'a>(
        &self,
        kind: Option<&str>,
        value: &'a [u8],
    ) -> Result<(&'a [u8], Option<Scope>), Denial> {
        if !is_among(&self.credentials, kind) {
            return Ok((value, None));
        }
        let value = std::str::from_utf8(value).map_err(|_| Denial::Malformed("a value that is not UTF-8"))?;
        let (user, scope) = Scope::read(value).map_err(Denial::Malformed)?;
        Ok((user.as_bytes(), Some(scope)))
    }

    fn subject(&self, headers: &HeaderMap) -> Result<Option<String>, Denial> {
        one(headers, self.subject.as_ref())?.map(text::visible).transpose().map_err(Denial::Malformed)
    }

    fn groups(&self, headers: &HeaderMap) -> Result<Option<Vec<String>>, Denial> {
        let Some(header) = &self.groups else { return Ok(None) };
        let Some(value) = one(headers, Some(header))? else { return Ok(Some(Vec::new())) };
        let list = std::str::from_utf8(value).map_err(|_| Denial::Malformed("a value that is not UTF-8"))?;
        let mut groups = Vec::new();
        for group in
            list.split(self.groups_separator.as_str()).map(str::trim).filter(|group| !group.is_empty())
        {
            let group = text::visible(group.as_bytes()).map_err(Denial::Malformed)?;
            if !groups.contains(&group) {
                groups.push(group);
            }
        }
        Ok(Some(groups))
    }

    fn strip(&self, headers: &mut HeaderMap) {
        let goes = |name: &HeaderName| {
            let name = skeleton(name.as_str());
            STRIPPED_FAMILIES.iter().any(|family| name.starts_with(family)) || self.stripped.contains(&name)
        };
        let names: Vec<HeaderName> = headers.keys().filter(|name| goes(name)).cloned().collect();
        for name in names {
            headers.remove(name);
        }
    }
}

/// A group's name as the header would have it.
pub fn group(raw: &str) -> Result<String, &'static str> {
    let name = text::visible(raw.as_bytes())?;
    if name.is_empty() { Err("a name that is empty") } else { Ok(name) }
}

/// The one spelling of a user's name that somebody has typed, or what is wrong with it.
pub fn spell(identity: &config::Identity, name: &str) -> Result<String, &'static str> {
    Spelling::new(identity).read(name.as_bytes())
}

/// The user name of whoever has that address, where names and addresses are made of each other, if they would be let in.
#[must_use]
pub fn user_of(identity: &config::Identity, address: &str) -> Option<String> {
    let spelling = Spelling::new(identity);
    let (local, domain) = address.split_once('@')?;
    let cut = !domain.is_empty() && domain.eq_ignore_ascii_case(&identity.email_domain);
    let name = spelling.read(if cut { local } else { address }.as_bytes()).ok()?;
    let (allow, deny) = (spelling.names(&identity.allow), spelling.names(&identity.deny));
    (!deny.hold(&name) && (allow.is_empty() || allow.hold(&name))).then_some(name)
}

/// Headers that other software takes for an identity, whatever ours are called.
const ALWAYS_STRIPPED: &[&str] = &[
    "authorization",
    "proxy-authorization",
    "cookie",
    "remote-user",
    "x-remote-user",
    "forwarded",
    "x-real-ip",
];

/// Families of such headers, by how their names begin: proxies and their modules fill them, or let clients fill them.
const STRIPPED_FAMILIES: &[&str] = &["x-forwarded", "oidc-", "x-auth-request", "x-auth-user"];

/// What is left of a header's name for those who fold it into a variable's name: `X_Forwarded.User` and
/// `x-forwarded-user` are the same to them.
fn skeleton(name: &str) -> String {
    let fold = |byte: u8| if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() as char } else { '-' };
    name.bytes().map(fold).collect()
}

/// The one value of a header; none when it is off, not there or empty.
fn one<'a>(headers: &'a HeaderMap, name: Option<&HeaderName>) -> Result<Option<&'a [u8]>, Denial> {
    let Some(name) = name else { return Ok(None) };
    let mut values = headers.get_all(name).iter();
    let first = values.next().map(HeaderValue::as_bytes).filter(|value| !value.is_empty());
    if values.next().is_some() {
        return Err(Denial::Malformed("an identity header twice"));
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const LOCAL: Peer = Peer::Tcp(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    fn judge(
        change: impl FnOnce(&mut config::Identity),
        headers: &[(&str, &[u8])],
    ) -> Result<Identity, Denial> {
        let mut settings = Settings::default();
        change(&mut settings.identity);
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value).unwrap());
        }
        judged(&Policy::new(&settings, None).unwrap(), &LOCAL, &mut map).identity
    }

    /// Without a token there is nothing to wait for.
    fn judged(policy: &Policy, peer: &Peer, headers: &mut HeaderMap) -> Judgement {
        policy.judge(peer, headers).now_or_never().unwrap()
    }

    fn user(value: &str) -> Result<String, Denial> {
        judge(|_| (), &[("x-forwarded-user", value.as_bytes())]).map(|identity| identity.user)
    }

    #[test]
    fn a_name_is_read_and_spelt_in_one_way() {
        assert_eq!(user("Alice"), Ok("alice".into()));
        assert_eq!(user("Andre\u{301}"), Ok("andr\u{e9}".into()));
        assert_eq!(user("alice@Example.org"), Ok("alice@example.org".into()));
        let spelt = |strip: &str, append: &str, name: &str| {
            let change = |identity: &mut config::Identity| {
                identity.fold_case = false;
                identity.strip_domain = strip.into();
                identity.append_domain = append.into();
            };
            judge(change, &[("x-forwarded-user", name.as_bytes())]).map(|identity| identity.user)
        };
        assert_eq!(spelt("example.org", "", "Alice@EXAMPLE.org"), Ok("Alice".into()));
        assert_eq!(spelt("example.org", "", "bob@evil.example"), Ok("bob@evil.example".into()));
        assert_eq!(spelt("", "example.org", "bob"), Ok("bob@example.org".into()));
        assert!(spelt("example.org", "", "@example.org").is_err());
    }

    #[test]
    fn an_app_password_and_its_bounds_are_one_value() {
        let said = |kind: &str, user: &str, more: &[(&str, &[u8])]| {
            let change = |identity: &mut config::Identity| {
                identity.auth_type_header = config::HeaderName::named("X-Forwarded-Auth-Type");
                identity.subject_header = config::HeaderName::named("X-Forwarded-Sub");
                identity.credential_types = vec!["password".into()];
            };
            let mut headers = vec![("x-forwarded-user", user.as_bytes())];
            headers.extend(
                [("x-forwarded-auth-type", kind.as_bytes())].iter().filter(|(_, kind)| !kind.is_empty()),
            );
            headers.extend(more);
            judge(change, &headers)
        };
        let read = said("Password", "Alice/00000000-0000-0000-0000-000000000007/k7/ro/work", &[]).unwrap();
        let (person, credential) = (uuid::Uuid::from_u128(7), "k7".to_owned());
        let scope = Scope { person, credential, read_only: true, calendars: Some(vec!["work".to_owned()]) };
        assert_eq!((read.user.as_str(), read.scope), ("alice", Some(scope)));
        assert!(read.recognition.by_name && read.recognition.token == Required::Arrive && !read.proven);
        for (kind, user) in [
            ("password", "alice"),
            ("password", "/00000000-0000-0000-0000-000000000007/k7/ro/*"),
            ("password", "a,b/00000000-0000-0000-0000-000000000007/k7/ro/*"),
            ("password", "alice/k7/ro/*"),
            ("Basic", "alice/00000000-0000-0000-0000-000000000007/k7/ro/*"),
            ("session", "alice/00000000-0000-0000-0000-000000000007/k7/rw/*"),
            ("", "alice/00000000-0000-0000-0000-000000000007/k7/ro/*"),
            ("", "alice"),
        ] {
            assert!(matches!(said(kind, user, &[]), Err(Denial::Malformed(_))), "{kind} {user}");
        }
        let whole = "alice/00000000-0000-0000-0000-000000000007/k7/rw/*";
        assert!(said("password", whole, &[("x-forwarded-sub", b"s")]).is_err(), "a subject");
        assert!(said("password", whole, &[("x-forwarded-user", b"alice")]).is_err(), "twice");
        assert!(said("password", whole, &[("x_forwarded_user", b"alice")]).is_err(), "alike");
        assert_eq!(said("Basic", "alice", &[]).unwrap().scope, None);
        assert!(user(whole).is_err(), "without the setting");
    }

    #[test]
    fn what_cannot_be_a_name_is_nobody() {
        assert_eq!(user(""), Err(Denial::Absent));
        assert_eq!(judge(|_| (), &[]), Err(Denial::Absent));
        for bad in [
            "a/b",
            "a\\b",
            ".",
            "..",
            "a,b",
            "a\tb",
            "a\u{202e}b",
            "a\u{200b}b",
            "a\u{2066}b",
            "\u{feff}a",
            "a\u{a0}b",
            "a\u{ad}b",
            "\u{3164}",
            "a\u{fffd}",
            "a\u{e0041}",
            "a\u{2028}b",
            "\u{85}a",
            " a",
            "a ",
        ] {
            assert!(matches!(user(bad), Err(Denial::Malformed(_))), "{bad:?}");
        }
        assert!(user(&"a".repeat(255)).is_ok());
        assert!(user(&"a".repeat(256)).is_err());
        let latin1 = judge(|_| (), &[("x-forwarded-user", b"andr\xe9")]);
        assert_eq!(latin1, Err(Denial::Malformed("a value that is not UTF-8")));
    }

    #[test]
    fn two_headers_or_one_that_looks_alike_are_nobody() {
        let twice: [(&str, &[u8]); 2] = [("x-forwarded-user", b"alice"), ("x-forwarded-user", b"alice")];
        assert!(matches!(judge(|_| (), &twice), Err(Denial::Malformed(_))));
        let empty: [(&str, &[u8]); 2] = [("x-forwarded-user", b""), ("x-forwarded-user", b"alice")];
        assert!(matches!(judge(|_| (), &empty), Err(Denial::Malformed(_))));
        for alike in ["x_forwarded_user", "x.forwarded.user", "x-forwarded_user", "x_kalends-secret"] {
            let both: [(&str, &[u8]); 2] = [("x-forwarded-user", b"alice"), (alike, b"root")];
            assert!(matches!(judge(|_| (), &both), Err(Denial::Malformed(_))), "{alike}");
            assert!(judge(|_| (), &[(alike, b"root")]).is_err(), "{alike}");
        }
    }

    #[test]
    fn the_denied_are_out_and_admins_are_known() {
        let change = |identity: &mut config::Identity| {
            identity.deny = vec!["Root".into(), "service-account-*".into()];
            identity.admins = vec!["Admin".into()];
        };
        assert!(matches!(judge(change, &[("x-forwarded-user", b"ROOT")]), Err(Denial::Malformed(_))));
        assert!(judge(change, &[("x-forwarded-user", b"Service-Account-x")]).is_err());
        let ours = |identity: &mut config::Identity| identity.allow = vec!["*@example.org".into()];
        assert!(judge(ours, &[("x-forwarded-user", b"alice@Example.org")]).is_ok());
        assert!(judge(ours, &[("x-forwarded-user", b"alice@example.com")]).is_err());
        assert!(judge(change, &[("x-forwarded-user", b"admin")]).unwrap().admin);
        assert!(!judge(change, &[("x-forwarded-user", b"alice")]).unwrap().admin);
    }

    #[test]
    fn optional_headers_count_only_when_they_are_on() {
        let sent: [(&str, &[u8]); 5] = [
            ("x-forwarded-user", b"alice"),
            ("x-forwarded-email", b"Alice@Example.org"),
            ("x-forwarded-name", "Alice \u{c9}tudiante".as_bytes()),
            ("x-forwarded-sub", b"7f3a"),
            ("x-forwarded-groups", b"/staff, editors,,editors"),
        ];
        let off = judge(|_| (), &sent).unwrap();
        assert_eq!((off.email, off.name, off.subject, off.groups), (None, None, None, None));
        let on = judge(every_header, &sent).unwrap();
        assert_eq!(on.email.as_deref(), Some("alice@example.org"));
        assert_eq!(on.name.as_deref(), Some("Alice \u{c9}tudiante"));
        assert_eq!(on.subject.as_deref(), Some("7f3a"));
        assert_eq!(on.groups, Some(vec!["/staff".into(), "editors".into()]));
        let alone = judge(every_header, &sent[..1]).unwrap();
        assert_eq!((alone.groups, alone.email, alone.spare_email), (Some(vec![]), None, None));
        for bad in ["alice", "a@b@c", "@b", "a@", "a b@c", "<a@b>"] {
            let sent: [(&str, &[u8]); 2] = [sent[0], ("x-forwarded-email", bad.as_bytes())];
            assert_eq!(judge(every_header, &sent).unwrap().email, None, "{bad}");
        }
        let unshown = judge(every_header, &[sent[0], ("x-forwarded-name", "a\u{202e}b".as_bytes())]).unwrap();
        assert_eq!(unshown.name, None);
    }

    fn every_header(identity: &mut config::Identity) {
        identity.email_header = config::HeaderName::named("X-Forwarded-Email");
        identity.name_header = config::HeaderName::named("X-Forwarded-Name");
        identity.subject_header = config::HeaderName::named("X-Forwarded-Sub");
        identity.groups_header = config::HeaderName::named("X-Forwarded-Groups");
    }

    #[test]
    fn without_an_email_header_the_name_gives_the_address() {
        let email = |domain: &str, user: &str| {
            let change = |identity: &mut config::Identity| identity.email_domain = domain.into();
            judge(change, &[("x-forwarded-user", user.as_bytes())]).unwrap().email
        };
        assert_eq!(email("", "alice"), None);
        assert_eq!(email("example.org", "alice").as_deref(), Some("alice@example.org"));
        assert_eq!(email("example.org", "alice@other.example").as_deref(), Some("alice@other.example"));
        assert_eq!(email("example.org", "alice smith"), None);
        let beside = |identity: &mut config::Identity| {
            every_header(identity);
            identity.email_domain = "example.org".into();
        };
        let made = judge(beside, &[("x-forwarded-user", b"alice")]).unwrap();
        assert_eq!((made.email, made.spare_email.as_deref()), (None, Some("alice@example.org")));
    }

    #[test]
    fn a_name_suffices_only_where_the_proxy_says_how_they_signed_in() {
        let kinds = |identity: &mut config::Identity| {
            every_header(identity);
            identity.auth_type_header = config::HeaderName::named("X-Forwarded-Auth-Type");
        };
        let with = |headers: &[(&str, &[u8])]| {
            let mut all: Vec<(&str, &[u8])> = vec![("x-forwarded-user", b"alice")];
            all.extend(headers);
            judge(kinds, &all).map(|identity| identity.recognition.by_name)
        };
        let kind = "x-forwarded-auth-type";
        assert_eq!(with(&[(kind, b"Basic")]), Ok(true));
        assert_eq!(with(&[(kind, b"basic")]), Ok(true));
        assert_eq!(with(&[(kind, b"session")]), Ok(false));
        assert_eq!(with(&[(kind, b"session"), ("x-forwarded-sub", b"7f3a")]), Ok(false));
        let refused: [&[(&str, &[u8])]; 6] = [
            &[],
            &[(kind, b"")],
            &[("x-forwarded-sub", b"7f3a")],
            &[(kind, b"session"), (kind, b"Basic")],
            &[(kind, b"session"), ("x_forwarded_auth_type", b"Basic")],
            &[(kind, b"Basic"), ("x-forwarded-sub", b"7f3a")],
        ];
        for headers in refused {
            assert!(matches!(with(headers), Err(Denial::Malformed(_))), "{headers:?}");
        }
        assert!(
            !judge(every_header, &[("x-forwarded-user", b"alice"), (kind, b"Basic")])
                .unwrap()
                .recognition
                .by_name
        );
    }

    #[test]
    fn only_trusted_peers_with_the_secret_are_believed() {
        let secret = |identity: &mut config::Identity| {
            identity.secret = config::Secret::from("new-secret-0123456".to_owned());
            identity.previous_secret = config::Secret::from("old-secret-0123456".to_owned());
        };
        let with = |sent: &[&[u8]]| {
            let mut headers: Vec<(&str, &[u8])> = vec![("x-forwarded-user", b"alice")];
            headers.extend(sent.iter().map(|value| ("x-kalends-secret", *value)));
            judge(secret, &headers).map(|identity| identity.user)
        };
        assert_eq!(with(&[b"new-secret-0123456"]), Ok("alice".into()));
        assert_eq!(with(&[b"old-secret-0123456"]), Ok("alice".into()));
        let wrong: [&[&[u8]]; 4] =
            [&[], &[b"wrong"], &[b""], &[b"new-secret-0123456", b"new-secret-0123456"]];
        for wrong in wrong {
            assert_eq!(with(wrong), Err(Denial::Untrusted));
        }
        let policy = Policy::new(&Settings::default(), None).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-user", HeaderValue::from_static("alice"));
        for stranger in [Peer::Tcp([192, 0, 2, 1].into()), Peer::Unix(None), Peer::Unix(Some(54_321))] {
            let judgement = judged(&policy, &stranger, &mut headers.clone());
            assert_eq!((judgement.identity, judgement.trusted), (Err(Denial::Untrusted), false));
        }
        assert!(judged(&policy, &Peer::Unix(Some(0)), &mut headers).trusted);
    }

    #[test]
    fn nothing_of_identity_is_left() {
        let policy = Policy::new(&Settings::default(), None).unwrap();
        let mut headers = HeaderMap::new();
        for name in [
            "x-forwarded-user",
            "x_forwarded_user",
            "x-kalends-secret",
            "x-forwarded-email",
            "x-forwarded-groups",
            "authorization",
            "cookie",
            "remote-user",
            "x-forwarded-for",
            "forwarded",
            "x-forwarded-token",
            "oidc_claim_email",
            "OIDC_access_token",
            "x-auth-request-user",
        ] {
            headers.insert(name, HeaderValue::from_static("x"));
        }
        headers.insert("depth", HeaderValue::from_static("1"));
        judged(&policy, &LOCAL, &mut headers);
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["depth"]);
    }
}

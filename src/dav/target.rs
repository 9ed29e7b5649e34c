//! The URL space: path to target and back, the one place where URLs are spelt (RFC 4918 §8.3, RFC 3986 §2).

use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::{
    front::folded,
    model::{Kind, Rank},
};

/// What a path names. Names are decoded; whether anything lies there is another question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The entrance.
    Root,
    /// All principals.
    Principals,
    /// One principal.
    Principal(String),
    /// The principal of a group, by its name.
    Group(String),
    /// The delegates of a user.
    Delegates(String, Rank),
    /// All homes.
    Homes,
    /// The home of a user.
    Home(String),
    /// A member of a home.
    Collection(String, String),
    /// A member of such a member.
    Object(String, String, String),
}

/// The names in a home that are taken from the start, with what they are.
pub const FIXED: [(&str, Kind); 5] = [
    ("inbox", Kind::Inbox),
    ("outbox", Kind::Outbox),
    ("notifications", Kind::Notifications),
    ("freebusy", Kind::FreeBusy),
    (TRASH, Kind::Trash),
];

/// The trash of a home.
pub const TRASH: &str = "trash";
/// How the names of deleted calendars begin there.
pub const WHOLE: &str = "calendar-";

impl Target {
    /// What kind of resource it is, if it is there.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Root => Kind::Root,
            Self::Principals => Kind::Principals,
            Self::Principal(_) => Kind::Principal,
            Self::Group(_) => Kind::Group,
            Self::Delegates(..) => Kind::Delegates,
            Self::Homes => Kind::Homes,
            Self::Home(_) => Kind::Home,
            Self::Collection(_, name) => fixed(name),
            Self::Object(_, name, entry) => match fixed(name) {
                Kind::Notifications => Kind::Notification,
                Kind::Trash if entry.starts_with(WHOLE) => Kind::DeletedCalendar,
                Kind::Trash => Kind::DeletedObject,
                _ => Kind::Object,
            },
        }
    }

    /// The user whose principal or home it belongs to.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::Root | Self::Principals | Self::Group(_) | Self::Homes => None,
            Self::Principal(user)
            | Self::Delegates(user, _)
            | Self::Home(user)
            | Self::Collection(user, _)
            | Self::Object(user, ..) => Some(user),
        }
    }
}

/// What a member of a home is by its name.
fn fixed(name: &str) -> Kind {
    FIXED.iter().find(|(fixed, _)| *fixed == name).map_or(Kind::Calendar, |(_, kind)| *kind)
}

/// A target and the base path it was asked for under: answers use the same one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// What is named.
    pub target: Target,
    /// The base path, with a slash at both ends.
    pub base: Arc<str>,
    /// The path by which it was asked for where that is not the canonical one: `/` and `/principals/` outside of every base.
    pub asked_as: Option<&'static str>,
}

/// Why a path is refused: it could mean one thing to the proxy and another here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadPath {
    /// Nothing of the server can be there.
    Elsewhere,
    /// It holds what no path of this server may hold.
    Malformed(&'static str),
}

/// The base paths of the server.
#[derive(Clone, Debug)]
pub struct Space {
    bases: Vec<Arc<str>>,
    /// Whether the user in a path is lower-cased, as the front does with user names.
    fold_case: bool,
}

/// RFC 3986 pchar less what some client or proxy reads as something else.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@');

impl Space {
    /// The space under these base paths (each with a slash at both ends); the first is the canonical one.
    #[must_use]
    pub fn new(bases: &[String], fold_case: bool) -> Self {
        Self { bases: bases.iter().map(|base| Arc::from(base.as_str())).collect(), fold_case }
    }

    /// The canonical base path.
    #[must_use]
    pub fn base(&self) -> &Arc<str> {
        &self.bases[0]
    }

    /// What a raw path of a request names.
    pub fn locate(&self, path: &str) -> Result<Located, BadPath> {
        if !path.starts_with('/') {
            return Err(BadPath::Malformed("the path does not start with a slash"));
        }
        let below = |base: &Arc<str>| {
            path.strip_prefix(&**base).or_else(|| (path == base.trim_end_matches('/')).then_some(""))
        };
        let longest = self.bases.iter().filter(|base| below(base).is_some()).max_by_key(|base| base.len());
        match longest.and_then(|base| Some((base, below(base)?))) {
            Some((base, rest)) => {
                let target = read(rest, self.fold_case)?;
                Ok(Located { target, base: base.clone(), asked_as: None })
            }
            None => self.outside(path),
        }
    }

    /// Clients that were told a bare host look around there.
    fn outside(&self, path: &str) -> Result<Located, BadPath> {
        let (target, asked_as) = match path {
            "/" => (Target::Root, "/"),
            "/principals" | "/principals/" => (Target::Principals, "/principals/"),
            _ if path.starts_with("/.well-known/") => return Err(BadPath::Elsewhere),
            // Whoever routed it here meant another server, or tries where this one ends.
            _ => return Err(BadPath::Malformed("the path lies under none of the base paths")),
        };
        Ok(Located { target, base: self.base().clone(), asked_as: Some(asked_as) })
    }
}

/// Why a URL in a request names nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elsewhere {
    /// It is another server's.
    Server,
    /// Its path is no path of this server.
    Path(BadPath),
}

/// What a URL in a request names here: a path, or a whole URL with this server's name (RFC 4918 §8.3).
pub fn ours(cx: &super::Cx, url: &str) -> Result<Located, Elsewhere> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return cx.space.locate(url).map_err(Elsewhere::Path);
    };
    if scheme.is_empty() || !scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)) {
        return Err(Elsewhere::Path(BadPath::Malformed("that is neither a path nor a URL")));
    }
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = cx.headers.get("host").and_then(|host| host.to_str().ok());
    let public = cx.settings.server.public_url.as_ref().map(|url| url.authority().to_owned());
    let asked = without_port(authority, scheme);
    let known = |name: &str| without_port(name, scheme).eq_ignore_ascii_case(asked);
    if !is_web(scheme) || ![host, public.as_deref()].into_iter().flatten().any(known) {
        return Err(Elsewhere::Server);
    }
    cx.space.locate(if path.is_empty() { "/" } else { path }).map_err(Elsewhere::Path)
}

/// The same, where it does not matter why it names nothing.
#[must_use]
pub fn is_ours(cx: &super::Cx, url: &str) -> Option<Located> {
    ours(cx, url).ok()
}

fn is_web(scheme: &str) -> bool {
    ["http", "https"].iter().any(|web| scheme.eq_ignore_ascii_case(web))
}

/// A host without the port that its scheme has anyway (RFC 3986 §6.2.3).
fn without_port<'a>(authority: &'a str, scheme: &str) -> &'a str {
    let port = if scheme.eq_ignore_ascii_case("https") { ":443" } else { ":80" };
    authority.strip_suffix(port).unwrap_or(authority)
}

/// The names of a path below its base, and what they name.
fn read(rest: &str, fold_case: bool) -> Result<Target, BadPath> {
    let mut names = Vec::with_capacity(4);
    let mut segments = rest.split('/').peekable();
    while let Some(segment) = segments.next() {
        if segment.is_empty() && segments.peek().is_none() {
            break;
        }
        names.push(name(segment)?);
    }
    // The user stands after `principals` or `calendars`, or first.
    let user = usize::from(names.first().is_some_and(|first| first == "principals" || first == "calendars"));
    // Groups are spelt as the proxy spells them.
    if let Some(group) = as_group(&names) {
        return Ok(Target::Group(group));
    }
    if let Some(user) = names.get_mut(user) {
        *user = folded(user, fold_case);
    }
    let mut names = names.into_iter();
    let mut next = || names.next();
    let target = match (next(), next(), next(), next(), next()) {
        (None, ..) => Target::Root,
        (Some(p), None, ..) if p == "principals" => Target::Principals,
        (Some(p), Some(user), None, ..) if p == "principals" => Target::Principal(user),
        (Some(p), Some(user), Some(name), None, None) if p == "principals" => {
            Target::Delegates(user, Rank::named(&name).ok_or(BadPath::Elsewhere)?)
        }
        (Some(c), None, ..) if c == "calendars" => Target::Homes,
        (Some(c), Some(user), rest, last, None) if c == "calendars" => within(user, rest, last),
        // The short form: {base}/{user}/{calendar}/{object}
        (Some(user), rest, last, None, None) if user != "principals" && user != "calendars" => {
            within(user, rest, last)
        }
        _ => return Err(BadPath::Elsewhere),
    };
    Ok(target)
}

/// The group behind `principals/groups/`.
fn as_group(names: &[String]) -> Option<String> {
    match names {
        [principals, groups, name]
            if principals == "principals" && groups == "groups" && Rank::named(name).is_none() =>
        {
            let name = name.strip_prefix("~3").unwrap_or(name);
            Some(name.replace("~2", "\\").replace("~1", "/").replace("~0", "~"))
        }
        _ => None,
    }
}

/// A group's name as a segment: there are groups of groups, with slashes between, and no path may hold those encoded. What
/// lies below a user who is called `groups` is marked off from groups of that name.
fn of_group(name: &str) -> String {
    if Rank::named(name).is_some() {
        return format!("~3{name}");
    }
    name.replace('~', "~0").replace('/', "~1").replace('\\', "~2")
}

fn within(user: String, collection: Option<String>, object: Option<String>) -> Target {
    match (collection, object) {
        (None, _) => Target::Home(user),
        (Some(collection), None) => Target::Collection(user, collection),
        (Some(collection), Some(object)) => Target::Object(user, collection, object),
    }
}

/// A segment decoded once, if it is a name that can mean only one thing.
fn name(segment: &str) -> Result<String, BadPath> {
    if segment.is_empty() {
        return Err(BadPath::Malformed("the path has an empty segment"));
    }
    if !well_encoded(segment.as_bytes()) {
        return Err(BadPath::Malformed(
            "a percent sign in the path is not followed by two hexadecimal digits",
        ));
    }
    let name =
        percent_decode_str(segment).decode_utf8().map_err(|_| BadPath::Malformed("the path is not UTF-8"))?;
    if name == "." || name == ".." {
        return Err(BadPath::Malformed("the path has a dot segment"));
    }
    if name.contains(['/', '\\']) {
        return Err(BadPath::Malformed("a segment of the path holds a slash"));
    }
    if name.chars().any(char::is_control) {
        return Err(BadPath::Malformed("the path holds a control character"));
    }
    if name.len() > 255 {
        return Err(BadPath::Malformed("a segment of the path is longer than 255 octets"));
    }
    Ok(name.into_owned())
}

fn well_encoded(segment: &[u8]) -> bool {
    segment.iter().enumerate().filter(|(_, b)| **b == b'%').all(|(at, _)| {
        segment.get(at + 1).is_some_and(u8::is_ascii_hexdigit)
            && segment.get(at + 2).is_some_and(u8::is_ascii_hexdigit)
    })
}

/// The canonical path of a target below a base path.
#[must_use]
pub fn href(base: &str, target: &Target) -> String {
    let mut out = String::with_capacity(base.len() + 64);
    out.push_str(base);
    match target {
        Target::Root => {}
        Target::Principals => out.push_str("principals/"),
        Target::Principal(user) => push(&mut out, "principals/", &[user], true),
        Target::Group(name) => push(&mut out, "principals/groups/", &[&of_group(name)], true),
        Target::Delegates(user, rank) => push(&mut out, "principals/", &[user, rank.name()], true),
        Target::Homes => out.push_str("calendars/"),
        Target::Home(user) => push(&mut out, "calendars/", &[user], true),
        Target::Collection(user, name) => push(&mut out, "calendars/", &[user, name], true),
        Target::Object(user, collection, name) => {
            push(&mut out, "calendars/", &[user, collection, name], false);
        }
    }
    out
}

/// The canonical path of a member of the collection with that path.
#[must_use]
pub fn member(path: &str, name: &str) -> String {
    let mut out = String::with_capacity(path.len() + name.len() + 8);
    out.push_str(path);
    push_member(&mut out, name);
    out
}

/// Puts the name of a member behind the path of its collection.
pub fn push_member(path: &mut String, name: &str) {
    path.extend(utf8_percent_encode(name, SEGMENT));
}

fn push(out: &mut String, part: &str, names: &[&str], slash: bool) {
    out.push_str(part);
    for (i, name) in names.iter().enumerate() {
        if i > 0 {
            out.push('/');
        }
        out.extend(utf8_percent_encode(name, SEGMENT));
    }
    if slash {
        out.push('/');
    }
}

impl Located {
    /// The path the resource itself is named by in the answer.
    #[must_use]
    pub fn own_href(&self) -> String {
        self.asked_as.map_or_else(|| href(&self.base, &self.target), str::to_owned)
    }

    /// The path of the collection that the member lies in.
    #[must_use]
    pub fn collection(&self) -> Option<String> {
        let Target::Object(user, name, _) = &self.target else { return None };
        Some(self.href(&Target::Collection(user.clone(), name.clone())))
    }

    /// The canonical path of another target, under the base of this request.
    #[must_use]
    pub fn href(&self, target: &Target) -> String {
        href(&self.base, target)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;

    fn space() -> Space {
        Space::new(&["/dav/".to_owned(), "/api/v1.0/caldav/".to_owned()], true)
    }

    #[test]
    fn every_spelling_of_a_path_is_one_target() {
        let calendar = Target::Collection("alice@x.org".to_owned(), "work".to_owned());
        for path in [
            "/dav/calendars/alice@x.org/work/",
            "/dav/calendars/alice%40x.org/work",
            "/dav/calendars/%61lice%40x.org/work/",
            "/dav/alice@x.org/work/",
            "/dav/Alice@X.org/work/",
            "/dav/calendars/ALICE@x.org/work/",
            "/dav/%41lice@x.org/work/",
            "/api/v1.0/caldav/calendars/alice@x.org/work/",
        ] {
            let located = space().locate(path).unwrap();
            assert_eq!(located.target, calendar, "{path}");
            assert!(path.starts_with(&*located.base));
        }
        assert_eq!(href("/dav/", &calendar), "/dav/calendars/alice@x.org/work/");
    }

    #[test]
    fn a_user_name_is_composed_as_the_front_composes_it() {
        for (fold_case, user) in [(true, "andr\u{e9}"), (false, "Andr\u{e9}")] {
            let space = Space::new(&["/dav/".to_owned()], fold_case);
            for path in ["/dav/calendars/Andre%CC%81/", "/dav/principals/Andr%C3%A9/", "/dav/Andre%CC%81/"] {
                assert_eq!(space.locate(path).unwrap().target.user(), Some(user), "{path}");
            }
            // What a client calls its own things is its own.
            let object = space.locate("/dav/calendars/a/b/e%CC%81.ics").unwrap().target;
            assert_eq!(object, Target::Object("a".into(), "b".into(), "e\u{301}.ics".into()));
        }
    }

    #[test]
    fn a_group_has_its_own_name_and_no_user_is_shadowed() {
        let target = |path: &str| space().locate(path).map(|located| located.target);
        assert_eq!(target("/dav/principals/groups/Team%20A/"), Ok(Target::Group("Team A".into())));
        assert_eq!(href("/dav/", &Target::Group("Team A".into())), "/dav/principals/groups/Team%20A/");
        for name in ["/staff/a", "~1", "a~/\\b", "~", "~3", "calendar-proxy-read", "~3calendar-proxy-read"] {
            let group = Target::Group(name.to_owned());
            assert_eq!(target(&href("/dav/", &group)), Ok(group));
        }
        assert_eq!(href("/dav/", &Target::Group("/a".into())), "/dav/principals/groups/~1a/");
        assert_eq!(target("/dav/principals/groups/"), Ok(Target::Principal("groups".into())));
        assert_eq!(target("/dav/groups/a/"), Ok(Target::Collection("groups".into(), "a".into())));
        assert_eq!(target("/dav/principals/alice/a/"), Err(BadPath::Elsewhere));
        for user in ["alice", "groups"] {
            let delegates = Target::Delegates(user.to_owned(), Rank::Write);
            let path = format!("/dav/principals/{user}/calendar-proxy-write/");
            assert_eq!((target(&path), href("/dav/", &delegates)), (Ok(delegates), path));
        }
    }

    #[test]
    fn discovery_answers_outside_of_every_base() {
        for (path, target, own) in [
            ("/", Target::Root, "/"),
            ("/principals/", Target::Principals, "/principals/"),
            ("/principals", Target::Principals, "/principals/"),
            ("/dav/", Target::Root, "/dav/"),
            ("/dav", Target::Root, "/dav/"),
        ] {
            let located = space().locate(path).unwrap();
            assert_eq!((&located.target, located.own_href().as_str()), (&target, own), "{path}");
        }
        assert_eq!(space().locate("/.well-known/carddav"), Err(BadPath::Elsewhere));
        assert_eq!(space().locate("/dav/calendars/a/b/c/d"), Err(BadPath::Elsewhere));
        for path in ["/calendars/alice/", "/etc/passwd", "/etc/", "/a/b/c/d/e/f/", "/principals/alice/"] {
            assert!(matches!(space().locate(path), Err(BadPath::Malformed(_))), "{path}");
        }
    }

    #[test]
    fn a_path_of_two_meanings_is_refused() {
        for path in [
            "/dav/calendars/../principals/",
            "/dav/calendars/%2e%2e/x/",
            "/dav/calendars/a%2Fb/",
            "/dav/calendars//a/",
            "/dav/calendars/a%00b/",
            "/dav/calendars/%ff/",
            "/dav/calendars/%zz/",
            "/dav/calendars/a%5Cb/",
            "/dav/calendars/a%0d%0a/",
            "dav/",
            "/dav/calendars/a%2",
            "/dav/./",
            "/dav/principals/groups/a%2Fb/",
        ] {
            assert!(matches!(space().locate(path), Err(BadPath::Malformed(_))), "{path}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(user in "[^/\\\\\\pC]{1,20}", calendar in any::<[u8; 4]>(), name in "\\PC{1,20}") {
            let target = Target::Object(folded(&user, false), calendar.map(|b| char::from(b % 26 + 97)).iter().collect(), name);
            let path = href("/dav/", &target);
            match Space::new(&["/dav/".to_owned()], false).locate(&path) {
                Ok(located) => {
                    let Target::Object(user, calendar, name) = &target else { unreachable!() };
                    let collection = href("/dav/", &Target::Collection(user.clone(), calendar.clone()));
                    assert_eq!(member(&collection, name), path);
                    assert_eq!((&located.target, located.own_href()), (&target, path));
                }
                Err(fault) => assert!(matches!(fault, BadPath::Malformed(_)), "{path}"),
            }
        }
    }
}

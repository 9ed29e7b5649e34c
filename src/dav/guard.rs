//! What a request says must be so of the resources that it changes or gives, and the locks whose tokens it must submit: the
//! conditional headers of HTTP, the If header and the locks of WebDAV (RFC 9110 §13, RFC 4918 §7 and §10.4).

use std::time::SystemTime;

use crate::{
    front::{Conditions, HeaderMap, HeaderName, HeaderValue, Status, Verdict, header, is_tag_of},
    model::{Lock, Privilege, SyncToken},
    store::{Calendar, Home, Object, calendar::tag},
};

use super::{
    Cx, Located, Refusal, Result, Target,
    condition::{CTAG_OK, LOCK_TOKEN_SUBMITTED},
    if_header::{self, Mark, Test},
    prop::Facts,
    target::is_ours,
};

/// Resources that one If header may name.
const MOST_NAMED: usize = 20;
/// What stands before CS:getctag where that is a state token (calendarserver-bulk-change §6).
const CTAG: &str = "http://me.com/_namespace/ctag/";
/// The header that tells the new tag of the collection that was changed (§8.2).
pub const CTAG_HEADER: HeaderName = HeaderName::from_static("ctag");

/// The conditions of a request, and who makes them.
#[derive(Clone, Debug)]
pub struct Guard {
    conditions: Conditions,
    located: Located,
    viewer: i64,
    /// Whether what is private is so for nobody.
    open: bool,
    lists: Vec<List>,
    /// How the resources are that the lists are about, as far as that is known.
    states: Vec<(Target, State)>,
    /// Whether the If header was found to hold already.
    judged: bool,
}

/// All of the tests must hold of the target; `None` is what is not here.
#[derive(Clone, Debug)]
struct List {
    target: Option<Target>,
    tests: Vec<Test>,
}

/// What a resource may be recognised by; that of a URL with nothing behind it is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Its entity tag, without quotes.
    pub etag: Option<String>,
    /// Its state tokens: those of the locks on it, and of a collection the sync token (RFC 6578 §5).
    pub tokens: Vec<String>,
}

/// How a calendar, or the member of it that a request is about, is while nobody else can change it.
#[derive(Clone, Copy, Debug)]
pub struct Now<'a> {
    /// The calendar.
    pub calendar: &'a Calendar,
    /// The member, if the request is about one that is there.
    pub object: Option<&'a Object>,
    /// All locks on the calendar and its members.
    pub locks: &'a [Lock],
}

/// What of a calendar a method changes (RFC 4918 §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touch<'a> {
    /// Content or properties of the member of that name.
    Member(&'a str),
    /// Its own properties, or which members it has.
    Calendar,
    /// All of it: it goes, or something else takes its place.
    All,
}

impl Guard {
    /// The conditions of a request; what cannot be read is refused, for the client meant to protect something.
    pub fn of(cx: &Cx) -> Result<Self> {
        let conditions =
            Conditions::parse(&cx.headers).map_err(|fault| Refusal::bad_request(fault.to_string()))?;
        let mut values = cx.headers.get_all("if").iter();
        let read = match (values.next(), values.next()) {
            (None, _) => Some(Vec::new()),
            (Some(value), None) => value.to_str().ok().and_then(if_header::read),
            (Some(_), Some(_)) => None,
        };
        let read = read.ok_or_else(|| Refusal::bad_request("the header If cannot be read"))?;
        let target = |tag: Option<String>| match tag {
            Some(uri) => is_ours(cx, &uri).map(|located| located.target),
            None => Some(cx.located.target.clone()),
        };
        let lists =
            read.into_iter().map(|list| List { target: target(list.tag), tests: list.tests }).collect();
        let (located, viewer, open) =
            (cx.located.clone(), cx.viewer.principal.id, !cx.settings.privacy.objects);
        let guard = Self { conditions, located, viewer, open, lists, states: Vec::new(), judged: false };
        if guard.named().len() > MOST_NAMED {
            return Err(Refusal::bad_request("the header If names too many resources").into());
        }
        Ok(guard)
    }

    /// The same conditions, for what a request changes elsewhere: the locks at the destination of a COPY or MOVE.
    #[must_use]
    pub fn at(&self, located: &Located) -> Self {
        Self { located: located.clone(), ..self.clone() }
    }

    /// The same for a member that a batch names, where the header of the request was judged for the whole: the batch may say
    /// which tag it has. The locks are those that the header names.
    pub fn of_member(&self, located: &Located, tag: Option<&str>) -> Result<Self, Refusal> {
        let bad = || Refusal::bad_request("the tag that is to match cannot be read");
        let value = tag.map(HeaderValue::from_str).transpose().map_err(|_| bad())?;
        let headers: HeaderMap = value.into_iter().map(|value| (header::IF_MATCH, value)).collect();
        let conditions = Conditions::parse(&headers).map_err(|_| bad())?;
        Ok(Self { conditions, located: located.clone(), judged: true, ..self.clone() })
    }

    /// The resources that the If header is about, as far as they are here.
    #[must_use]
    pub fn named(&self) -> Vec<&Target> {
        let mut named: Vec<&Target> = Vec::new();
        for target in self.lists.iter().filter_map(|list| list.target.as_ref()) {
            if !named.contains(&target) {
                named.push(target);
            }
        }
        named
    }

    /// Tells how one of them is.
    pub fn learn(&mut self, target: Target, state: State) {
        self.states.retain(|(other, _)| *other != target);
        self.states.push((target, state));
    }

    /// The tokens that the request says are there.
    #[must_use]
    pub fn tokens(&self) -> Vec<&str> {
        let tests = self.lists.iter().flat_map(|list| &list.tests).filter(|test| !test.not);
        let mut tokens: Vec<&str> = tests.filter_map(token).collect();
        tokens.sort_unstable();
        tokens.dedup();
        tokens
    }

    /// Whether the request says which tag a collection has.
    #[must_use]
    pub fn names_ctag(&self) -> bool {
        self.tokens().iter().any(|token| token.starts_with(CTAG))
    }

    /// Holds the conditions against the resource: `etag` is its tag without quotes, `None` where there is no resource.
    #[must_use]
    pub fn verdict(&self, etag: Option<&str>, modified: Option<SystemTime>, reading: bool) -> Verdict {
        let own = &self.located.target;
        let known = self.states.iter().find(|(target, _)| target == own);
        let tokens = known.map(|(_, state)| state.tokens.clone()).unwrap_or_default();
        let here = [(own.clone(), State { etag: etag.map(str::to_owned), tokens })];
        if self.if_holds(&here, reading) {
            self.conditions.check(etag, modified, reading)
        } else {
            Verdict::Failed
        }
    }

    /// Whether anything is asked of a resource.
    #[must_use]
    pub fn asks(&self) -> bool {
        !self.lists.is_empty() || !self.conditions.is_empty()
    }

    /// Refuses whatever is to be done with a resource of these facts that is not in the state that the request expects.
    pub fn holds(&self, facts: &Facts) -> Result<(), Refusal> {
        let (etag, modified) = facts.state();
        self.unchanged(Some(&etag), modified)
    }

    /// Refuses to change a resource that is not in the state that the request expects.
    pub fn unchanged(&self, etag: Option<&str>, modified: Option<SystemTime>) -> Result<(), Refusal> {
        self.expected(self.verdict(etag, modified, false))
    }

    /// Refuses to change what is not as the request expects, and what is locked where the request submits no token of a lock
    /// on it that is the viewer's own.
    pub fn permits(&self, now: &Now, touched: &[Touch]) -> Result<(), Refusal> {
        self.expects(now)?;
        self.unlocked(now, touched)
    }

    /// Refuses where the resource is not in the state that the request expects.
    pub fn expects(&self, now: &Now) -> Result<(), Refusal> {
        let tokens = |member: Option<&str>| {
            now.locks.iter().filter(|lock| lock.covers(member)).map(Lock::urn).collect::<Vec<_>>()
        };
        let mut calendar = State { etag: Some(now.calendar.tag()), tokens: tokens(None) };
        calendar.tokens.extend(tokens_of(now.calendar.state));
        let Target::Object(user, collection, name) = &self.located.target else {
            let verdict = self.conditions.check(calendar.etag.as_deref(), Some(now.calendar.modified), false);
            let holds = self.if_holds(&[(self.located.target.clone(), calendar)], false);
            return self.expected(if holds { verdict } else { Verdict::Failed });
        };
        let etag = now.object.map(|object| object.etag.clone());
        let verdict = self.conditions.check(etag.as_deref(), now.object.map(|object| object.modified), false);
        let here = [
            (self.located.target.clone(), State { etag, tokens: tokens(Some(name)) }),
            (Target::Collection(user.clone(), collection.clone()), calendar),
        ];
        self.expected(if self.if_holds(&here, false) { verdict } else { Verdict::Failed })
    }

    /// Refuses where something of what is touched is locked, and no token of a lock on it is submitted by whoever took it
    /// (RFC 4918 §6.4 and §7).
    pub fn unlocked(&self, now: &Now, touched: &[Touch]) -> Result<(), Refusal> {
        let mut places: Vec<Option<&str>> = Vec::new();
        for touch in touched {
            match touch {
                Touch::Member(name) => places.push(Some(name)),
                Touch::Calendar => places.push(None),
                Touch::All => {
                    places.push(None);
                    places.extend(now.locks.iter().filter_map(|lock| lock.member.as_deref()).map(Some));
                }
            }
        }
        let mut roots: Vec<String> = Vec::new();
        for place in places {
            let covering = || now.locks.iter().filter(|lock| lock.covers(place));
            if !covering().any(|lock| self.may_use(lock)) {
                roots.extend(covering().map(|lock| self.told(now.calendar, lock)));
            }
        }
        roots.sort();
        roots.dedup();
        if roots.is_empty() { Ok(()) } else { Err(LOCK_TOKEN_SUBMITTED.at_all(roots)) }
    }

    /// The path of a lock's root in the calendar.
    #[must_use]
    pub fn root(&self, calendar: &Calendar, lock: &Lock) -> String {
        let user = self.located.target.user().unwrap_or_default().to_owned();
        self.located.href(&root(user, calendar.name.clone(), lock))
    }

    /// The same for a refusal: who is not told of a member is not told that it is locked.
    #[must_use]
    pub fn told(&self, calendar: &Calendar, lock: &Lock) -> String {
        let about_all = matches!(self.located.target, Target::Collection(..));
        if about_all && !self.tells(calendar, lock) {
            self.located.own_href()
        } else {
            self.root(calendar, lock)
        }
    }

    /// Whether the viewer may know of what the root of a lock names: members are for who may list them, and private ones for who
    /// may see these.
    #[must_use]
    pub fn tells(&self, calendar: &Calendar, lock: &Lock) -> bool {
        let all = self.open || calendar.home_id == self.viewer || calendar.rights.has(Privilege::ReadPrivate);
        lock.member.is_none() || (calendar.rights.has(Privilege::Read) && (all || !lock.veiled))
    }

    /// A token is of use to whoever took the lock alone, and counts as submitted wherever in the header it stands.
    fn may_use(&self, lock: &Lock) -> bool {
        let urn = lock.urn();
        let mut tests = self.lists.iter().flat_map(|list| &list.tests);
        lock.principal_id == self.viewer && tests.any(|test| token(test) == Some(&urn))
    }

    /// Whether one of the lists holds; what `here` says counts before what was known already.
    fn if_holds(&self, here: &[(Target, State)], reading: bool) -> bool {
        let unknown = State::default();
        let state = |target: &Option<Target>| {
            let mut known = here.iter().chain(&self.states);
            let found = target.as_ref().and_then(|target| known.find(|(other, _)| other == target));
            found.map_or(&unknown, |(_, state)| state)
        };
        let holds = |test: &Test, state: &State| {
            test.not
                != match &test.state {
                    Mark::Token(token) => state.tokens.contains(token),
                    Mark::Tag(tag) => state.etag.as_deref().is_some_and(|etag| is_tag_of(tag, etag, reading)),
                }
        };
        let list = |list: &List| list.tests.iter().all(|test| holds(test, state(&list.target)));
        self.judged || self.lists.is_empty() || self.lists.iter().any(list)
    }

    fn expected(&self, verdict: Verdict) -> Result<(), Refusal> {
        if verdict == Verdict::Proceed {
            return Ok(());
        }
        if self.names_ctag() {
            return Err(CTAG_OK.into());
        }
        let why = "the resource is not in the state that the request expects";
        Err(Refusal::plain(Status::PRECONDITION_FAILED, why))
    }
}

/// The state tokens of a collection that is in this state.
#[must_use]
pub fn tokens_of(state: SyncToken) -> [String; 2] {
    [state.to_string(), format!("{CTAG}{}", tag(state))]
}

/// Those of a home.
#[must_use]
pub fn tokens_of_home(home: &Home, outline: u32) -> [String; 2] {
    [home.token(outline).to_string(), format!("{CTAG}{}", home.tag())]
}

/// The root of a lock in the calendar of that name.
#[must_use]
pub fn root(user: String, calendar: String, lock: &Lock) -> Target {
    match &lock.member {
        Some(name) => Target::Object(user, calendar, name.clone()),
        None => Target::Collection(user, calendar),
    }
}

fn token(test: &Test) -> Option<&str> {
    match &test.state {
        Mark::Token(token) => Some(token),
        Mark::Tag(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::model::{Components, Kind, Privileges, SyncToken};

    const ALICE: i64 = 1;
    const BOB: i64 = 2;

    fn target(path: &str) -> Target {
        match path.trim_matches('/').split_once('/') {
            Some((calendar, name)) => Target::Object("alice".into(), calendar.into(), name.into()),
            None => Target::Collection("alice".into(), path.trim_matches('/').into()),
        }
    }

    /// A request of somebody about the path, with that If header.
    fn guard(viewer: i64, path: &str, header: &str) -> Guard {
        let read = if header.is_empty() { Vec::new() } else { if_header::read(header).expect("lists") };
        let resolved = |tag: Option<String>| match tag {
            Some(uri) => uri.starts_with('/').then(|| target(&uri)),
            None => Some(target(path)),
        };
        let lists =
            read.into_iter().map(|list| List { target: resolved(list.tag), tests: list.tests }).collect();
        let located = Located { target: target(path), base: "/dav/".into(), asked_as: None };
        Guard {
            conditions: Conditions::default(),
            located,
            viewer,
            open: false,
            lists,
            states: Vec::new(),
            judged: false,
        }
    }

    fn lock(nth: u128, member: Option<&str>, principal_id: i64) -> Lock {
        Lock {
            token: Uuid::from_u128(nth),
            member: member.map(str::to_owned),
            principal_id,
            shared: false,
            infinite: false,
            owner: String::new(),
            seconds: 60,
            remaining: 60,
            vacant: false,
            veiled: false,
        }
    }

    /// The token of the lock of that number, as a header has it.
    fn coded(nth: u128) -> String {
        format!("<{}>", lock(nth, None, ALICE).urn())
    }

    fn work() -> Calendar {
        Calendar {
            home_id: ALICE,
            id: 7,
            name: "work".to_owned(),
            kind: Kind::Calendar,
            state: SyncToken { key: Uuid::from_u128(9), revision: 5 },
            floor: 0,
            octets: 0,
            components: Components::default(),
            created: SystemTime::UNIX_EPOCH,
            modified: SystemTime::UNIX_EPOCH,
            locked: true,
            shared: false,
            watched: false,
            rights: Privileges::ALL,
            bound: None,
        }
    }

    fn object() -> Object {
        Object {
            id: 1,
            name: "a".to_owned(),
            uid: "a".to_owned(),
            component: Components::default(),
            etag: "x".to_owned(),
            revision: 5,
            size: 1,
            created: SystemTime::UNIX_EPOCH,
            modified: SystemTime::UNIX_EPOCH,
            body: None,
            cut: false,
        }
    }

    #[test]
    fn one_list_must_hold_and_of_it_everything() {
        for (text, holds) in [
            ("", true),
            (r#"(["x"])"#, true),
            (r#"(["y"])"#, false),
            (r#"(["y"]) (["x"])"#, true),
            (r#"(["x"] <urn:lock>)"#, false),
            (r#"(Not <urn:lock> ["x"])"#, true),
            ("(<urn:lock>) (Not <DAV:no-lock>)", true),
            (r#"</work/a> (["y"]) </work/b> (["x"])"#, false),
            (r#"</work/b> (Not ["x"])"#, true),
            (r#"</work/b> (["y"])"#, false),
            (r#"</work/> (["w"])"#, true),
            (r#"<http://elsewhere/> (["x"])"#, false),
            (r#"(not [W/"y"])"#, true),
        ] {
            let mut guard = guard(ALICE, "/work/a", text);
            guard.learn(target("/work/"), State { etag: Some("w".to_owned()), tokens: Vec::new() });
            let verdict = guard.verdict(Some("x"), None, false);
            assert_eq!(verdict == Verdict::Proceed, holds, "{text}");
        }
    }

    #[test]
    fn the_tag_of_a_collection_is_a_token_of_it_and_of_a_member_of_a_batch_nothing_but_its_own_tag_is_asked()
    {
        let (calendar, object) = (work(), object());
        let now = Now { calendar: &calendar, object: Some(&object), locks: &[] };
        let [sync, ctag] = tokens_of(calendar.state);
        assert_eq!((sync, &ctag), (calendar.state.to_string(), &format!("{CTAG}{}", calendar.tag())));
        assert_eq!(guard(ALICE, "/work/", &format!("(<{ctag}>)")).expects(&now), Ok(()));
        let stale = guard(ALICE, "/work/", &format!("(<{CTAG}x>)"));
        assert_eq!(stale.expects(&now), Err(CTAG_OK.into()));
        assert!(!guard(ALICE, "/work/", &format!("(Not <{CTAG}x>)")).names_ctag());
        let member = Located { target: target("/work/a"), ..stale.located.clone() };
        for (tag, holds) in [(None, true), (Some("\"x\""), true), (Some("\"y\""), false), (Some("*"), true)] {
            assert_eq!(stale.of_member(&member, tag).unwrap().expects(&now).is_ok(), holds, "{tag:?}");
        }
        let gone = Now { object: None, ..now };
        assert!(stale.of_member(&member, Some("\"x\"")).unwrap().expects(&gone).is_err());
        assert!(stale.of_member(&member, Some("\"x")).is_err());
        // The tokens of locks still count.
        let locks = [lock(1, Some("a"), ALICE)];
        let locked = Now { locks: &locks, ..now };
        let touched = [Touch::Member("a")];
        assert!(stale.of_member(&member, None).unwrap().permits(&locked, &touched).is_err());
        let token = guard(ALICE, "/work/", &format!("({})", coded(1)));
        assert_eq!(token.of_member(&member, None).unwrap().permits(&locked, &touched), Ok(()));
    }

    #[test]
    fn tokens_are_those_of_the_locks_on_the_resource_and_the_last_change_of_its_calendar() {
        let (calendar, object) = (work(), object());
        let deep = Lock { infinite: true, ..lock(3, None, BOB) };
        let locks = [lock(1, Some("a"), BOB), lock(2, Some("b"), BOB), deep];
        let now = Now { calendar: &calendar, object: Some(&object), locks: &locks };
        let (one, two, three, sync) = (coded(1), coded(2), coded(3), calendar.state);
        for (text, holds) in [
            (format!("({one} [\"x\"])"), true),
            (format!("({three})"), true),
            (format!("({two})"), false),
            (format!("(Not {two})"), true),
            (format!("</work/> (<{sync}>)"), true),
            (format!("</work/> ({three} <{sync}>)"), true),
            (format!("</work/> ({one})"), false),
            (format!("(<{sync}>)"), false),
            ("</work/> (<urn:kalends:sync:00000000000000000000000000000009:4>)".to_owned(), false),
        ] {
            assert_eq!(guard(ALICE, "/work/a", &text).expects(&now).is_ok(), holds, "{text}");
        }
        let whole = Now { object: None, ..now };
        assert!(guard(ALICE, "/work/", &format!("(<{sync}> {three})")).expects(&whole).is_ok());
        assert!(guard(ALICE, "/work/", &format!("({one})")).expects(&whole).is_err());
        assert!(guard(ALICE, "/work/b", "([\"x\"])").expects(&whole).is_err(), "nothing is there");
    }

    /// The roots whose tokens lack, or nothing.
    fn lacks(guard: &Guard, locks: &[Lock], touched: &[Touch]) -> Vec<String> {
        let calendar = work();
        match guard.unlocked(&Now { calendar: &calendar, object: None, locks }, touched) {
            Ok(()) => Vec::new(),
            Err(Refusal { condition, detail: crate::dav::condition::Detail::Hrefs(hrefs), .. }) => {
                assert_eq!(condition, Some(LOCK_TOKEN_SUBMITTED));
                hrefs
            }
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_touched_must_be_unlocked_or_the_viewers_own() {
        let (work, a, b) =
            ("/dav/calendars/alice/work/", "/dav/calendars/alice/work/a", "/dav/calendars/alice/work/b");
        let on_a = [lock(1, Some("a"), ALICE)];
        let flat = [lock(2, None, ALICE), lock(1, Some("a"), BOB)];
        let deep = [Lock { infinite: true, ..lock(2, None, ALICE) }];
        let (member, new) = ([Touch::Member("a")], [Touch::Member("a"), Touch::Calendar]);
        let (one, two) = (format!("({})", coded(1)), format!("({})", coded(2)));
        let never = format!("(Not {})", coded(1));
        let elsewhere = format!("<http://elsewhere/x> ({})", coded(1));
        for (viewer, header, locks, touched, wanted) in [
            (ALICE, "", &on_a[..], &member[..], &[a][..]),
            (ALICE, &one, &on_a, &member, &[]),
            (ALICE, &elsewhere, &on_a, &member, &[]),
            (ALICE, &never, &on_a, &member, &[]),
            (BOB, &one, &on_a, &member, &[a]),
            (ALICE, &two, &on_a, &member, &[a]),
            (ALICE, "", &on_a, &[Touch::Member("b"), Touch::Calendar], &[]),
            (ALICE, "", &on_a, &[Touch::All], &[a]),
            (ALICE, "", &flat, &member, &[a]),
            (ALICE, "", &flat, &[Touch::Member("b")], &[]),
            (ALICE, "", &flat, &[Touch::Member("b"), Touch::Calendar], &[work]),
            (ALICE, &two, &flat, &[Touch::Member("b"), Touch::Calendar], &[]),
            (ALICE, &two, &flat, &[Touch::All], &[a]),
            (BOB, &one, &flat, &new, &[work]),
            (ALICE, "", &deep, &member, &[work]),
            (ALICE, &two, &deep, &new, &[]),
            (ALICE, &two, &deep, &[Touch::All], &[]),
        ] {
            assert_eq!(lacks(&guard(viewer, "/work/a", header), locks, touched), wanted, "{viewer} {header}");
        }
        let both = [
            Lock { shared: true, ..lock(1, Some("b"), BOB) },
            Lock { shared: true, infinite: true, ..lock(2, None, ALICE) },
        ];
        assert_eq!(lacks(&guard(ALICE, "/work/b", ""), &both, &[Touch::Member("b")]), [work, b]);
        // The tokens of both ends stand in one header, and each root is told where it is.
        let there = Located {
            target: Target::Object("bob".into(), "work".into(), "a".into()),
            base: "/x/".into(),
            asked_as: None,
        };
        let copying = guard(ALICE, "/home/z", "");
        assert_eq!(lacks(&copying.at(&there), &on_a, &new), ["/x/calendars/bob/work/a"]);
        assert_eq!(lacks(&guard(ALICE, "/home/z", &one).at(&there), &on_a, &new), [""; 0]);
        // Of those who share a lock each may change what it is on.
        assert_eq!(lacks(&guard(ALICE, "/work/b", &two), &both, &[Touch::Member("b")]), [""; 0]);
        assert_eq!(lacks(&guard(BOB, "/work/b", &one), &both, &[Touch::Member("b")]), [""; 0]);
        assert_eq!(lacks(&guard(BOB, "/work/b", &one), &both, &[Touch::All]), [work]);
    }
}

//! Finding people: DAV:principal-property-search, DAV:principal-search-property-set (RFC 3744 §9.4 and §9.5), and
//! CS:calendarserver-principal-search.

use std::sync::Arc;

use crate::{
    front::{Response, Status},
    model::{Kind, Kinds},
    store::{
        self,
        principal::{Field, How, Search, Test},
    },
    xml::{Element, Name, QName, Writer},
};

use crate::dav::{
    Cx, Refusal, Result, Target, access,
    ask::Ask,
    condition::NUMBER_OF_MATCHES_WITHIN_LIMITS,
    error::XML,
    facts::{self, MOST_PRINCIPALS},
    header::{Depth, Prefer, depth},
    multistatus::Multistatus,
    prop::Needs,
    target::is_ours,
};

/// A property that people are found by.
struct Searchable {
    name: Name,
    meaning: &'static str,
    /// The test of a text in it; none where the text can be in no value.
    test: fn(&Cx, &str, How) -> Option<Test>,
}

/// The properties that people are found by, the most used first.
const SEARCHABLE: &[Searchable] = &[
    Searchable {
        name: Name::dav("displayname"),
        meaning: "Name",
        test: |_, text, how| Some(within(Field::Shown, how, text)),
    },
    Searchable {
        name: Name::cs("email-address-set"),
        meaning: "E-mail address",
        test: |_, text, how| Some(within(Field::Address, how, text)),
    },
    Searchable {
        name: Name::cal("calendar-user-address-set"),
        meaning: "Address in invitations",
        test: address,
    },
];

/// Texts that one request may look for, and octets of each.
const MOST_TEXTS: (usize, usize) = (20, 256);

/// Where the principals are.
const WITH_PRINCIPALS: Kinds = Kind::Root.only().or(Kind::Principals.only());

fn within(field: Field, how: How, text: &str) -> Test {
    Test { field, how, text: text.to_owned() }
}

/// Who is invited by a text: a mail address, or the path of a principal.
fn address(cx: &Cx, text: &str, how: How) -> Option<Test> {
    const SCHEME: &str = "mailto:";
    if let Some(Target::Principal(user)) = is_ours(cx, text).map(|located| located.target) {
        return Some(within(Field::Name, How::Is, &user));
    }
    let begins = text.get(..SCHEME.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(SCHEME));
    let plain = percent_encoding::percent_decode_str(if begins { &text[SCHEME.len()..] } else { text });
    Some(within(Field::Address, how, &plain.decode_utf8().ok()?))
}

/// RFC 3744 §9.2 to §9.5: a depth other than 0 is none.
pub(super) fn flat(cx: &Cx) -> Result<(), Refusal> {
    match depth(&cx.headers)? {
        None | Some(Depth::Zero) => Ok(()),
        Some(_) => Err(Refusal::bad_request("this report has Depth: 0")),
    }
}

/// The principals of whose properties all tests hold, or any where the request says so.
pub async fn property_search(cx: Arc<Cx>, root: Element) -> Result<Response> {
    flat(&cx)?;
    let searches: Vec<&Element> = root.all(Name::dav("property-search")).collect();
    if searches.is_empty() {
        return Err(Refusal::bad_request("a DAV:principal-property-search has a DAV:property-search").into());
    }
    let any = root.attribute("test").is_some_and(|test| test.eq_ignore_ascii_case("anyof"));
    let (mut tests, mut hopeless) = (Vec::new(), false);
    for search in searches {
        let wanted = search.child(Name::dav("match")).zip(search.child(Name::dav("prop")));
        let (text, prop) = wanted
            .ok_or_else(|| Refusal::bad_request("a DAV:property-search has a DAV:prop and a DAV:match"))?;
        let how = how(text.attribute("match-type"))?;
        for property in prop.children() {
            match sought(&cx, property.name(), text.text().trim(), how)? {
                Some(one) => tests.push(one),
                None => hopeless = true,
            }
        }
    }
    let possible = !tests.is_empty() && (any || !hopeless);
    found(&cx, &root, possible.then_some((tests, any))).await
}

/// How Apple's clients say that a text is looked for; elsewhere it may be anywhere.
fn how(kind: Option<&str>) -> Result<How, Refusal> {
    Ok(match kind {
        None | Some("contains") => How::Has,
        Some("starts-with") => How::Starts,
        Some("ends-with") => How::Ends,
        Some("equals") => How::Is,
        Some(_) => {
            return Err(Refusal::bad_request("a match-type is contains, starts-with, ends-with or equals"));
        }
    })
}

/// The test of a text in a property; none where nobody can be found by that.
fn sought(cx: &Cx, property: &QName, text: &str, how: How) -> Result<Option<Test>, Refusal> {
    if text.len() > MOST_TEXTS.1 {
        return Err(Refusal::bad_request(format!("a text to find has at most {} octets", MOST_TEXTS.1)));
    }
    let row = SEARCHABLE.iter().find(|row| *property == row.name);
    // What is in every value would list everybody.
    let row = row.filter(|_| !text.is_empty() || cx.settings.privacy.listing);
    Ok(row.and_then(|row| (row.test)(cx, text, how)))
}

/// The properties that people are found by.
pub async fn search_property_set(cx: Arc<Cx>, _: Element) -> Result<Response> {
    flat(&cx)?;
    facts::of_target(&cx, Needs::NONE).await?;
    let mut w = Writer::new(Name::dav("principal-search-property-set"));
    for row in SEARCHABLE {
        w.inside(Name::dav("principal-search-property"), |w| {
            w.inside(Name::dav("prop"), |w| w.empty(row.name));
            w.open_with(Name::dav("description"), &[("xml:lang", "en")]);
            w.text(row.meaning);
            w.close(Name::dav("description"));
        });
    }
    Ok(Response::new(Status::OK).body(XML, w.finish()))
}

/// The people of whom every word is part of something: of the name, the address or the user name. There are no places and
/// resources yet.
pub async fn calendarserver(cx: Arc<Cx>, root: Element) -> Result<Response> {
    flat(&cx)?;
    let tokens: Vec<&str> = root.all(Name::cs("search-token")).map(|token| token.text().trim()).collect();
    if tokens.is_empty() {
        return Err(Refusal::bad_request("a CS:calendarserver-principal-search has a CS:search-token").into());
    }
    let people = match root.attribute("context") {
        None | Some("attendee" | "user") => true,
        Some("group" | "location" | "resource") => false,
        Some(_) => {
            return Err(
                Refusal::bad_request("a context is attendee, user, group, location or resource").into()
            );
        }
    };
    let mut tests = Vec::new();
    for token in tokens.into_iter().filter(|token| !token.is_empty()) {
        if token.len() > MOST_TEXTS.1 {
            return Err(Refusal::bad_request("a CS:search-token is too long").into());
        }
        tests.push(within(Field::Any, How::Has, token));
    }
    let possible = people && !tests.is_empty();
    found(&cx, &root, possible.then_some((tests, false))).await
}

/// The answer to a search of these tests; without any nobody is found.
async fn found(cx: &Cx, root: &Element, tests: Option<(Vec<Test>, bool)>) -> Result<Response> {
    facts::of_target(cx, Needs::NONE).await?;
    let most = limit(root)?;
    // Elsewhere there are no principals, unless the request means those of the whole server.
    let everywhere = root.child(Name::dav("apply-to-principal-collection-set")).is_some();
    let here = everywhere || WITH_PRINCIPALS.has(cx.located.target.kind());
    let ask = Ask::of_report(root, cx.tables)?;
    let mut people = match tests.filter(|_| here) {
        Some((tests, _)) if tests.len() > MOST_TEXTS.0 => {
            return Err(Refusal::bad_request("too many texts to find at once").into());
        }
        Some((tests, any)) => {
            let search = Search { tests, any, within: access::searchable(cx), most: most + 1 };
            store::principal::search(&cx.pool, &cx.viewer, &search).await?
        }
        None => Vec::new(),
    };
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let cut = people.len() > most;
    people.truncate(most);
    let mut answer = Multistatus::new(Prefer::of(&cx.headers));
    let plain = root.child(Name::dav("prop")).is_none();
    for facts in facts::of_principals(cx, people, ask.needs(cx.tables)).await? {
        if plain {
            answer.status(&facts.href, Status::OK);
        } else {
            answer.response(&facts, &ask, cx);
        }
    }
    if cut {
        answer.refused(&cx.located.own_href(), &NUMBER_OF_MATCHES_WITHIN_LIMITS.into());
    }
    Ok(answer.finish())
}

/// How many the client wants, which is never more than are given.
fn limit(root: &Element) -> Result<i64, Refusal> {
    let of = |name: fn(&'static str) -> Name| root.child(name("limit"))?.child(name("nresults"));
    let Some(number) = of(Name::dav).or_else(|| of(Name::cs)) else { return Ok(MOST_PRINCIPALS) };
    match number.text().trim().parse::<i64>() {
        Ok(number) if number > 0 => Ok(number.min(MOST_PRINCIPALS)),
        _ => Err(Refusal::bad_request("a limit is a positive number")),
    }
}

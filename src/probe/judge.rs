//! How answers are judged: whom kalends took the sender for, who answered, and what a client would make of it.

use percent_encoding::percent_decode_str;

use super::forge::FORGED_MAIL;
use super::known::{Known, NOBODY};
use super::message::Message;
use super::wire::{Answer, Gone, Outcome};
use crate::xml::{self, Element, Name};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// Somebody can be served as somebody else, or see what is not theirs.
    Open,
    /// The proxy gave way, and only kalends' own refusal stood between.
    Weak,
    /// A client would not work.
    Breaks,
}

/// What an answer proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) grade: Grade,
    /// What is wrong, the same for all requests that show it.
    pub(super) says: String,
    /// Which request shows it.
    pub(super) shown_by: String,
}

/// A request and what became of it.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    pub(super) message: Message,
    pub(super) outcome: Outcome,
}

impl Exchange {
    pub(super) fn finding(&self, grade: Grade, says: impl Into<String>) -> Finding {
        Finding { grade, says: says.into(), shown_by: self.message.to_string() }
    }

    pub(super) fn status(&self) -> u16 {
        self.outcome.as_ref().map_or(0, |answer| answer.status)
    }

    /// What became of it, in words.
    pub(super) fn told(&self) -> String {
        match &self.outcome {
            Err(Gone::Unreachable) => "no connection".into(),
            Err(Gone::Closed) => "a closed connection".into(),
            Err(Gone::Silent) => "silence".into(),
            Err(Gone::Garbled) => "something that is no HTTP".into(),
            Ok(answer) => {
                let to =
                    answer.header("location").map(|to| format!(" to {}", shortened(to))).unwrap_or_default();
                format!("{}{}{to}", answer.status, if is_page(answer) { " and an HTML page" } else { "" })
            }
        }
    }
}

/// A judge of the exchanges of one talk.
pub(super) type Judge = fn(&Known, &[Exchange]) -> Vec<Finding>;

/// Whom the server took the sender for: the name in DAV:current-user-principal.
pub(super) fn who(answer: &Answer) -> Option<String> {
    let root = multistatus(answer)?;
    let mut named = Vec::new();
    seek(&root, Name::dav("current-user-principal"), &mut named);
    let href = named.first()?.child(Name::dav("href"))?.text().trim().to_owned();
    let segment = href.trim_end_matches('/').rsplit('/').next()?;
    Some(percent_decode_str(segment).decode_utf8_lossy().into_owned())
}

pub(super) fn multistatus(answer: &Answer) -> Option<Element> {
    let root = (answer.status == 207).then(|| xml::parse(&answer.body).ok()).flatten()?;
    root.is(Name::dav("multistatus")).then_some(root)
}

pub(super) fn seek<'a>(element: &'a Element, name: Name, found: &mut Vec<&'a Element>) {
    for child in element.children() {
        if child.is(name) {
            found.push(child);
        }
        seek(child, name, found);
    }
}

/// The texts of all elements of that name.
pub(super) fn texts(answer: &Answer, name: Name) -> Vec<String> {
    let Some(root) = multistatus(answer) else { return Vec::new() };
    let mut found = Vec::new();
    seek(&root, name, &mut found);
    found.iter().map(|element| element.text().trim().to_owned()).collect()
}

/// The entries of the trash that were at that path or below it.
pub(super) fn lying(answer: &Answer, path: &str) -> Vec<String> {
    let Some(root) = multistatus(answer) else { return Vec::new() };
    let href = |of: &Element| of.child(Name::dav("href")).map(|href| href.text().trim().to_owned());
    let from = |response: &&Element| {
        let mut found = Vec::new();
        seek(response, Name::own("deleted-from"), &mut found);
        found.into_iter().filter_map(href).any(|from| from.starts_with(path))
    };
    root.all(Name::dav("response")).filter(from).filter_map(href).collect()
}

/// A page for people: kalends makes none, so it is the proxy's.
pub(super) fn is_page(answer: &Answer) -> bool {
    answer
        .header("content-type")
        .is_some_and(|kind| kind.trim().to_ascii_lowercase().starts_with("text/html"))
}

/// Whether kalends made the answer, as far as can be told: the proxy's own are pages, or lack the request's id.
pub(super) fn by_kalends(known: &Known, answer: &Answer) -> bool {
    !is_page(answer) && (!known.marked || answer.header("x-request-id").is_some())
}

/// A refusal of kalends', which tells its features where it refuses a sender.
pub(super) fn refused_by_kalends(known: &Known, answer: &Answer) -> bool {
    matches!(answer.status, 401 | 403)
        && by_kalends(known, answer)
        && (answer.header("dav").is_some() || answer.body.starts_with(b"The proxy did not say plainly"))
}

/// What kalends says of a PROPFIND without Depth, which means all there is.
pub(super) fn is_endless(answer: &Answer) -> bool {
    answer.status == 403 && String::from_utf8_lossy(&answer.body).contains("propfind-finite-depth")
}

/// What kalends says of a path or a method only to somebody it knows.
fn is_past_identity(known: &Known, answer: &Answer) -> bool {
    let path = ["the path ", "a segment of the path ", "a percent sign in the path "];
    let of_path = path.iter().any(|text| answer.body.starts_with(text.as_bytes()));
    let allowed = known.marked && answer.all("allow").contains("PROPFIND");
    by_kalends(known, answer) && ((answer.status == 400 && of_path) || (answer.status == 405 && allowed))
}

pub(super) fn shortened(text: &str) -> String {
    let end = text.find(['?', '#']).unwrap_or(text.len()).min(100);
    text.chars().take(end).collect()
}

pub(super) fn all(
    exchanges: &[Exchange],
    judge: impl Fn(&Exchange, &Answer) -> Option<Finding>,
) -> Vec<Finding> {
    exchanges.iter().filter_map(|e| judge(e, e.outcome.as_ref().ok()?)).collect()
}

/// Nobody but who was proven; a request that was meant to lose its name may also be refused, but not by kalends alone.
pub(super) fn impostors(known: &Known, exchanges: &[Exchange]) -> Vec<Finding> {
    all(exchanges, |e, answer| impostor(known, e, answer))
}

fn impostor(known: &Known, e: &Exchange, answer: &Answer) -> Option<Finding> {
    let proven = known.user.clone().filter(|_| e.message.signed);
    match who(answer) {
        Some(name) if Some(&name) == proven.as_ref() => None,
        Some(name) => {
            let whose = if e.message.signed { "somebody else's credentials" } else { "no credentials" };
            Some(e.finding(Grade::Open, format!("a request with {whose} is served as {name:?}")))
        }
        None if proven.is_some() && refused_by_kalends(known, answer) => Some(e.finding(
            Grade::Weak,
            "what a client sends reaches kalends beside the proxy's own words, or takes these away; kalends refuses \
             the request, and nothing else does",
        )),
        None if answer.status == 403 && refused_by_kalends(known, answer) => Some(e.finding(
            Grade::Weak,
            "a name that a client without credentials sends reaches kalends, which refuses it, and nothing else does",
        )),
        None if !e.message.signed && is_past_identity(known, answer) => Some(e.finding(
            Grade::Weak,
            "a name that a client without credentials sends is believed on this path; kalends refuses the path alone",
        )),
        None => None,
    }
}

/// The same where a refusal by kalends alone is all that can be had.
pub(super) fn believed(known: &Known, exchanges: &[Exchange]) -> Vec<Finding> {
    impostors(known, exchanges).into_iter().filter(|finding| finding.grade == Grade::Open).collect()
}

/// Nothing is served without credentials, by any method.
pub(super) fn strangers(known: &Known, exchanges: &[Exchange]) -> Vec<Finding> {
    let served = |e: &Exchange, answer: &Answer| {
        let dav = matches!(answer.status, 201 | 207) || (answer.status == 200 && !is_page(answer));
        (e.message.method != "PROPFIND" && dav).then(|| {
            e.finding(Grade::Open, format!("{} is carried out without credentials", e.message.method))
        })
    };
    all(exchanges, |e, answer| impostor(known, e, answer).or_else(|| served(e, answer)))
}

/// What a client made up is in the answer, or was refused by kalends.
pub(super) fn forged_facts(known: &Known, exchanges: &[Exchange]) -> Vec<Finding> {
    let mailed = format!("mailto:{FORGED_MAIL}");
    let forged = |e: &Exchange, answer: &Answer| {
        let hrefs = texts(answer, Name::dav("href"));
        let shown = texts(answer, Name::dav("displayname"));
        let taken = hrefs.contains(&mailed)
            || (shown.iter().any(|s| s == NOBODY) && known.shown.as_deref() != Some(NOBODY));
        let left = if known.mail.is_none() && hrefs.contains(&mailed) {
            format!(" (the address {FORGED_MAIL} stays until the proxy sends another)")
        } else {
            String::new()
        };
        taken.then(|| {
            e.finding(
                Grade::Open,
                format!(
                    "a signed-in client gives itself an e-mail address or a name of its own choice{left}"
                ),
            )
        })
    };
    all(exchanges.get(..1).unwrap_or_default(), |e, answer| {
        forged(e, answer).or_else(|| impostor(known, e, answer))
    })
}

/// A key or groups of the client's reached kalends.
pub(super) fn forged_keys(known: &Known, exchanges: &[Exchange]) -> Vec<Finding> {
    all(exchanges, |e, answer| {
        let says = "a signed-in client chooses its own groups or lasting key: kalends read what it sent";
        if refused_by_kalends(known, answer) {
            Some(e.finding(Grade::Open, says))
        } else {
            impostor(known, e, answer)
        }
    })
}

/// The id that the client chose is in the answer.
pub(super) fn forged_id(_: &Known, exchanges: &[Exchange]) -> Vec<Finding> {
    all(exchanges, |e, answer| {
        (answer.header("x-request-id") == Some("kalends-check-id"))
            .then(|| e.finding(Grade::Weak, "clients choose the request ids in the log of kalends"))
    })
}

/// The last request of a talk, which nobody signed, is not served from a cache.
pub(super) fn from_cache(_: &Known, exchanges: &[Exchange]) -> Vec<Finding> {
    all(exchanges, |e, answer| {
        if answer.status != 200 || is_page(answer) {
            return None;
        }
        if !e.message.signed {
            return Some(e.finding(
                Grade::Open,
                "an object is served without credentials after its owner has read it",
            ));
        }
        let control = answer.all("cache-control").to_ascii_lowercase();
        (!control.contains("private") && !control.contains("no-store")).then(|| {
            e.finding(
                Grade::Weak,
                "the Cache-Control of kalends is lost: caches may keep what is one person's",
            )
        })
    })
}

/// A request comes back with what the proxy put into it.
pub(super) fn echoes(known: &Known, exchanges: &[Exchange]) -> Vec<Finding> {
    let secret = known.settings.identity.secret.reveal();
    all(exchanges, |e, answer| {
        let body = String::from_utf8_lossy(&answer.body);
        let leaks = body.contains("kalends-check-trace") || (!secret.is_empty() && body.contains(secret));
        (answer.status == 200 && leaks).then(|| {
            e.finding(
                Grade::Open,
                "TRACE sends requests back, the credentials and the proxy's headers in them",
            )
        })
    })
}

/// kalends believes whoever connects.
pub(super) fn own_doors(known: &Known, exchanges: &[Exchange]) -> Vec<Finding> {
    let secret = !known.settings.identity.secret.is_empty();
    all(exchanges, |e, answer| {
        let name = who(answer)?;
        let tcp = !e.message.label.starts_with("unix:");
        match (secret, tcp) {
            (true, _) => Some(e.finding(Grade::Open, format!("kalends believes a forged {name:?} without the secret"))),
            (false, true) => Some(e.finding(
                Grade::Open,
                "every program that can connect to this address is believed, whoever runs it: there is no secret",
            )),
            (false, false) if !known.is_trusted_here() => {
                Some(e.finding(Grade::Open, "a user who is not in identity.trusted_uids is believed"))
            }
            (false, false) => None,
        }
    })
}

/// kalends answers where only the proxy should.
pub(super) fn bare_doors(_: &Known, exchanges: &[Exchange]) -> Vec<Finding> {
    all(exchanges, |e, answer| {
        let served = who(answer).is_some();
        (served || answer.header("dav").is_some()).then(|| {
            let says = if served { "and believes a forged name" } else { "and refuses a forged name" };
            e.finding(Grade::Open, format!("kalends can be reached from here without the proxy, {says}"))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served_as(name: &str) -> Answer {
        let body = format!(
            "<multistatus xmlns='DAV:'><response><href>/dav/</href><propstat><prop><current-user-principal>\
             <href>/dav/principals/{name}/</href></current-user-principal></prop></propstat></response></multistatus>"
        );
        Answer::made(207, &[("content-type", "application/xml"), ("x-request-id", "1")], &body)
    }

    fn grades(judge: Judge, message: Message, outcome: Outcome) -> Vec<Grade> {
        let exchange = Exchange { message, outcome };
        judge(&Known::alice(), &[exchange]).into_iter().map(|finding| finding.grade).collect()
    }

    #[test]
    fn the_principal_says_who_it_is() {
        assert_eq!(who(&served_as("alice%40example.org")).as_deref(), Some("alice@example.org"));
        assert_eq!(who(&Answer::made(207, &[], "<html/>")), None);
        assert_eq!(who(&Answer::made(200, &[], "alice")), None);
    }

    #[test]
    fn nobody_is_anybody_but_who_was_proven() {
        let judge = |message: Message, answer| grades(impostors, message, Ok(answer));
        let (free, signed) = (|| Message::who("/dav/"), || Message::who("/dav/").signed());
        assert_eq!(judge(free(), served_as("alice")), [Grade::Open]);
        assert_eq!(judge(signed(), served_as("root")), [Grade::Open]);
        assert_eq!(judge(signed(), served_as("alice")), []);
        let own =
            |status| Answer::made(status, &[("x-request-id", "1"), ("dav", "1, calendar-access")], "no");
        assert_eq!(judge(free(), own(401)), []);
        assert_eq!(judge(free(), own(403)), [Grade::Weak]);
        assert_eq!(judge(signed(), own(401)), [Grade::Weak]);
        let path = Answer::made(400, &[("x-request-id", "1")], "the path has a dot segment\n");
        assert_eq!(judge(free(), path.clone()), [Grade::Weak]);
        assert_eq!(judge(signed(), path), []);
        // What the proxy says by itself proves nothing.
        let page = Answer::made(403, &[("content-type", "text/html")], "<h1>Forbidden</h1>");
        assert_eq!(judge(signed(), page), []);
        assert_eq!(judge(signed(), Answer::made(401, &[("dav", "1, calendar-access")], "Sign in.")), []);
        assert_eq!(grades(impostors, free(), Err(Gone::Closed)), []);
    }
}

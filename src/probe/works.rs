//! Judges of what a client would meet: what must get through, and come out as kalends made it.

use super::judge::{
    Exchange, Finding, Grade, all, by_kalends, impostors, is_endless, is_page, multistatus,
    refused_by_kalends, seek, shortened, texts, who,
};
use super::known::Known;
use super::sends::{METHODS, ODD_NAME};
use super::wire::Answer;
use crate::xml::Name;

/// The operator's credentials lead to a principal.
pub(super) fn signed_in(known: &Known, exchanges: &[Exchange]) -> Vec<Finding> {
    exchanges
        .iter()
        .filter(|e| !e.outcome.as_ref().is_ok_and(|answer| who(answer).is_some()))
        .map(|e| match &e.outcome {
            Ok(answer) if refused_by_kalends(known, answer) && answer.status == 401 => e.finding(
                Grade::Breaks,
                "the proxy lets the operator in, but kalends hears of nobody: the name or the secret does not arrive",
            ),
            Ok(answer) if refused_by_kalends(known, answer) => {
                e.finding(Grade::Breaks, "what the proxy says of the operator is refused by kalends; its log says why")
            }
            Ok(answer) if is_endless(answer) => {
                e.finding(Grade::Breaks, "a signed-in PROPFIND arrives without its Depth")
            }
            Ok(answer) if answer.status == 401 => {
                e.finding(Grade::Breaks, "the proxy refuses these credentials")
            }
            Ok(answer) if answer.status == 404 => {
                e.finding(Grade::Breaks, format!("this base path is answered {}: it is not handed on to kalends", e.told()))
            }
            _ => e.finding(Grade::Breaks, format!("a signed-in PROPFIND is answered by {} instead of 207", e.told())),
        })
        .filter(|_| known.authorization.is_some())
        .collect()
}

/// A first request is answered as clients need it: 401 with a challenge they know, or a redirect of the discovery.
pub(super) fn first_answers(known: &Known, exchanges: &[Exchange]) -> Vec<Finding> {
    let bad = |e: &Exchange| {
        let Ok(answer) = &e.outcome else { return Some(e.told()) };
        let discovery = e.message.target.starts_with("/.well-known/");
        match answer.status {
            401 | 207 => None,
            301..=308 if discovery && leads_to_base(known, answer) => None,
            _ => Some(e.told()),
        }
    };
    let says =
        |told: String| format!("a first request without a password is answered by {told} instead of 401");
    exchanges.iter().filter_map(|e| Some(e.finding(Grade::Breaks, says(bad(e)?)))).collect()
}

/// A 401 names a way in that native clients know.
pub(super) fn challenges(_: &Known, exchanges: &[Exchange]) -> Vec<Finding> {
    all(exchanges, |e, answer| {
        let challenge = answer.all("www-authenticate").to_ascii_lowercase();
        let known =
            ["basic", "digest"].iter().any(|scheme| challenge.split([' ', ',']).any(|word| word == *scheme));
        (answer.status == 401 && !known).then(|| {
            e.finding(
                Grade::Breaks,
                "a 401 without `WWW-Authenticate: Basic`: the client never sends its password, and says nothing of it",
            )
        })
    })
}

/// A page's request is not led to a login page, which it could not show.
pub(super) fn page_answers(_: &Known, exchanges: &[Exchange]) -> Vec<Finding> {
    all(exchanges, |e, answer| {
        matches!(answer.status, 300..=399 | 200).then(|| {
            let says = format!("a request of a script is answered by {} instead of 401", e.told());
            e.finding(Grade::Breaks, says)
        })
    })
}

/// A signed-in request of a client is served as it is without a proxy.
pub(super) fn served(_: &Known, exchanges: &[Exchange]) -> Vec<Finding> {
    let bad = |e: &Exchange| {
        let Ok(answer) = &e.outcome else { return Some(format!("is answered by {}", e.told())) };
        let kind = answer.header("content-type").unwrap_or_default().to_ascii_lowercase();
        let dav = answer.all("dav");
        match (e.message.method, answer.status) {
            ("OPTIONS", 200) if dav.split(',').any(|token| token.trim() == "calendar-access") => None,
            ("OPTIONS", 200) => Some("has no `calendar-access` in its DAV header".into()),
            ("OPTIONS", _) => Some(format!("is answered by {} instead of exactly 200", e.told())),
            (_, 207) if kind.contains("/xml") => None,
            (_, 207) => Some(format!("has the content type {kind:?} instead of XML")),
            _ => Some(format!("is answered by {}", e.told())),
        }
    };
    let says = |e: &Exchange, what| format!("a signed-in {} {what}", e.message.method);
    exchanges.iter().filter_map(|e| Some(e.finding(Grade::Breaks, says(e, bad(e)?)))).collect()
}

/// kalends answers, whatever it says: a page, a broken connection or a bare 405 are the proxy's.
pub(super) fn methods(known: &Known, exchanges: &[Exchange]) -> Vec<Finding> {
    // What kalends does not know itself tells nothing when it is refused.
    let optional = |method: &str| METHODS.iter().skip(10).any(|m| *m == method);
    let stopped = |e: &Exchange| match &e.outcome {
        Err(_) => true,
        Ok(answer) if known.marked => !by_kalends(known, answer),
        Ok(answer) => {
            let bare = answer.status == 405 && answer.header("allow").is_none();
            is_page(answer) || bare || answer.status == 501
        }
    };
    let out =
        exchanges.iter().filter(|e| !optional(e.message.method) && e.message.method != "HEAD" && stopped(e));
    out.map(|e| e.finding(Grade::Breaks, format!("methods do not get through to kalends: {}", e.told())))
        .collect()
}

fn leads_to_base(known: &Known, answer: &Answer) -> bool {
    let Some(location) = answer.header("location") else { return false };
    let path = match location.split_once("://") {
        None => location.to_owned(),
        Some((_, rest)) => rest.find('/').map(|at| rest[at..].to_owned()).unwrap_or_default(),
    };
    known.bases.iter().any(|base| path.starts_with(base.as_str()) || path == base.trim_end_matches('/'))
}

/// The discovery leads to kalends, by the public name and without a step down from https.
pub(super) fn discovery(known: &Known, exchanges: &[Exchange]) -> Vec<Finding> {
    let bad = |e: &Exchange| {
        let Ok(answer) = &e.outcome else { return Some(format!("is answered by {}", e.told())) };
        let location = answer.header("location").unwrap_or_default();
        match answer.status {
            301..=308 if !leads_to_base(known, answer) => Some(format!("leads to {}", shortened(location))),
            301..=308 if known.is_secure() && location.starts_with("http://") => {
                Some(format!("leads from https down to {}", shortened(location)))
            }
            301..=308
                if location.contains("://") && !location.contains(&format!("://{}/", known.authority)) =>
            {
                Some(format!("leads to another host: {}", shortened(location)))
            }
            301..=308 | 401 => None,
            207 if e.message.signed => None,
            _ => Some(format!("is answered by {} instead of a redirect to {}", e.told(), known.base())),
        }
    };
    let says = |what| format!("the discovery /.well-known/caldav {what}");
    exchanges.iter().filter_map(|e| Some(e.finding(Grade::Breaks, says(bad(e)?)))).collect()
}

/// Hrefs are paths or bear the public name; `public_url` is the address that is asked.
pub(super) fn names(known: &Known, exchanges: &[Exchange]) -> Vec<Finding> {
    let origin = format!("{}://{}", known.scheme, known.authority);
    let mut out = all(exchanges, |e, answer| {
        let stray = |href: &String| {
            href.contains("://") && !href.starts_with(&origin) && !href.starts_with("mailto:")
        };
        let stray = texts(answer, Name::dav("href")).into_iter().find(stray)?;
        Some(e.finding(Grade::Breaks, format!("an answer names {} instead of {origin}", shortened(&stray))))
    });
    if let Some(public) = known.settings.server.public_url.as_ref().filter(|url| url.as_str() != origin)
        && let Some(first) = exchanges.first()
    {
        out.push(first.finding(
            Grade::Breaks,
            format!("server.public_url is {public}, but the proxy is asked as {origin}: clients are sent to the former"),
        ));
    }
    out
}

/// No redirect where clients take none.
pub(super) fn unmoved(_: &Known, exchanges: &[Exchange]) -> Vec<Finding> {
    all(exchanges, |e, answer| {
        matches!(answer.status, 300..=399).then(|| {
            e.finding(
                Grade::Breaks,
                format!("a collection is answered by {}: Thunderbird gives it up", e.told()),
            )
        })
    })
}

/// kalends' own words on an encoded slash.
pub(super) fn slash_kept(_: &Known, exchanges: &[Exchange]) -> Vec<Finding> {
    judge_text(exchanges, b"holds a slash", |e| {
        format!("an encoded slash (%2F) does not arrive as it was sent: {}", e.told())
    })
}

/// kalends' own words on a broken query.
pub(super) fn query_kept(_: &Known, exchanges: &[Exchange]) -> Vec<Finding> {
    judge_text(exchanges, b"percent-encoded", |e| {
        format!("the query does not arrive as it was sent: {}", e.told())
    })
}

fn judge_text(exchanges: &[Exchange], wanted: &[u8], says: impl Fn(&Exchange) -> String) -> Vec<Finding> {
    let heard = |e: &Exchange| match &e.outcome {
        Ok(answer) => answer.status == 400 && answer.body.windows(wanted.len()).any(|part| part == wanted),
        Err(_) => false,
    };
    exchanges.iter().filter(|e| !heard(e)).map(|e| e.finding(Grade::Breaks, says(e))).collect()
}

/// The object is listed under the name that it was given.
pub(super) fn names_kept(_: &Known, exchanges: &[Exchange]) -> Vec<Finding> {
    let [put, list, ..] = exchanges else { return Vec::new() };
    let Ok(answer) = &list.outcome else { return vec![list.finding(Grade::Breaks, list.told())] };
    let hrefs = texts(answer, Name::dav("href"));
    let kept = hrefs.iter().any(|href| href.ends_with(&format!("/{ODD_NAME}")));
    if kept {
        return Vec::new();
    }
    let says = if put.status() == 201 {
        "percent-encoded names are decoded or encoded once more on their way: objects change their names"
            .into()
    } else {
        format!("a percent-encoded name is answered by {}", put.told())
    };
    vec![put.finding(Grade::Breaks, says)]
}

/// Carried out.
pub(super) fn done(_: &Known, exchanges: &[Exchange]) -> Vec<Finding> {
    let failed = |e: &&Exchange| e.message.signed && !(200..300).contains(&e.status());
    let says = |e: &Exchange| format!("{} is answered by {}", e.message.method, e.told());
    exchanges.iter().filter(failed).map(|e| e.finding(Grade::Breaks, says(e))).collect()
}

/// Refused by kalends, in XML, and not by words of the proxy's that no client can read.
pub(super) fn refused_in_xml(_: &Known, exchanges: &[Exchange]) -> Vec<Finding> {
    let kind = |answer: &Answer| answer.header("content-type").unwrap_or("no type").to_ascii_lowercase();
    let good = |answer: &Answer| kind(answer).contains("/xml") && matches!(answer.status, 400..=499);
    let bad = |e: &&Exchange| !e.outcome.as_ref().is_ok_and(good);
    let says = |e: &Exchange| {
        let kind = e.outcome.as_ref().map(kind).unwrap_or_default();
        format!("a body that kalends would refuse in XML is answered by {} ({kind})", e.told())
    };
    exchanges.iter().filter(bad).map(|e| e.finding(Grade::Breaks, says(e))).collect()
}

/// A body that waits is asked for.
pub(super) fn expected(known: &Known, exchanges: &[Exchange]) -> Vec<Finding> {
    let mut out = done(known, exchanges);
    out.extend(all(exchanges, |e, answer| {
        let says = "`Expect: 100-continue` is not answered: clients wait before they send";
        (answer.status < 300 && !answer.continued).then(|| e.finding(Grade::Breaks, says))
    }));
    out
}

/// A long header is read: a token that is none is refused as such.
pub(super) fn read_whole(_: &Known, exchanges: &[Exchange]) -> Vec<Finding> {
    let bad = |e: &&Exchange| !matches!(e.status(), 401 | 403 | 429);
    let says = |e: &Exchange| format!("a long token is answered by {} instead of 401", e.told());
    exchanges.iter().filter(bad).map(|e| e.finding(Grade::Breaks, says(e))).collect()
}

/// The entity tag is the same as a property, in a plain answer and in one that may be compressed.
pub(super) fn tags_kept(_: &Known, exchanges: &[Exchange]) -> Vec<Finding> {
    let [listed, gets @ ..] = exchanges else { return Vec::new() };
    let tag =
        listed.outcome.as_ref().ok().and_then(|answer| texts(answer, Name::dav("getetag")).first().cloned());
    all(gets, |e, answer| {
        let (seen, packed) = (answer.header("etag"), answer.header("content-encoding"));
        let says = match (&tag, seen) {
            _ if answer.status != 200 => format!("GET of an object is answered by {}", e.told()),
            (Some(tag), Some(seen)) if tag != seen => format!(
                "the entity tag {tag} comes out as {seen}{}: the next change of a client is refused, or lost",
                packed.map(|how| format!(" with {how}")).unwrap_or_default()
            ),
            (Some(_), None) => "the entity tag of an object is taken out of its answer".into(),
            _ => {
                format!("objects are compressed on their way ({}): their entity tags no longer hold", packed?)
            }
        };
        Some(e.finding(Grade::Breaks, says))
    })
}

/// Conditions that do not hold are heard.
pub(super) fn conditions_kept(_: &Known, exchanges: &[Exchange]) -> Vec<Finding> {
    all(exchanges, |e, answer| {
        let name = e.message.label.split(':').next().filter(|name| !name.is_empty()).unwrap_or("If");
        ((200..300).contains(&answer.status)).then(|| {
            e.finding(
                Grade::Breaks,
                format!("{name} does not reach kalends: changes overwrite each other unnoticed"),
            )
        })
    })
}

/// Depth is heard.
pub(super) fn depth_kept(_: &Known, exchanges: &[Exchange]) -> Vec<Finding> {
    all(exchanges, |e, answer| {
        let count = texts(answer, Name::dav("href")).len();
        let heard = if e.message.label == "0" { count == 1 } else { count > 1 };
        let lost = is_endless(answer) || (answer.status == 207 && !heard);
        lost.then(|| {
            e.finding(Grade::Breaks, format!("Depth does not reach kalends ({}, {count} hrefs)", e.told()))
        })
    })
}

/// Prefer and Brief are heard.
pub(super) fn prefer_kept(_: &Known, exchanges: &[Exchange]) -> Vec<Finding> {
    all(exchanges, |e, answer| {
        let root = multistatus(answer)?;
        let mut statuses = Vec::new();
        seek(&root, Name::dav("status"), &mut statuses);
        let name = e.message.label.split(':').next().unwrap_or_default();
        let says = format!("{name} does not reach kalends: answers are longer than clients asked for");
        statuses.iter().any(|status| status.text().contains(" 404")).then(|| e.finding(Grade::Breaks, says))
    })
}

/// kalends knows the name under which the public knows it.
pub(super) fn public_name_known(_: &Known, exchanges: &[Exchange]) -> Vec<Finding> {
    all(exchanges, |e, answer| {
        let says = "kalends does not know the public name: a whole URL in a request is foreign to it";
        let foreign = match e.message.method {
            "REPORT" => answer.status == 207 && texts(answer, Name::dav("getetag")).is_empty(),
            "MOVE" => matches!(answer.status, 400 | 502),
            _ => false,
        };
        foreign.then(|| e.finding(Grade::Breaks, says))
    })
}

/// No answer asks for a password in the clear.
pub(super) fn not_in_the_clear(known: &Known, exchanges: &[Exchange]) -> Vec<Finding> {
    all(exchanges, |e, answer| {
        let says = match answer.status {
            401 => "a password is asked for without TLS",
            207 => "calendars are served without TLS",
            301..=308 if answer.header("location").is_some_and(|to| to.starts_with("http://")) => {
                "the redirect of plain HTTP does not lead to https"
            }
            _ => return None,
        };
        Some(e.finding(if who(answer).is_some() { Grade::Open } else { Grade::Weak }, says))
    })
    .into_iter()
    .chain(impostors(known, exchanges))
    .collect()
}

/// The site is https, or the proxy is on this machine.
pub(super) fn encrypted(known: &Known, exchanges: &[Exchange]) -> Vec<Finding> {
    let near = ["localhost", "127.0.0.1", "[::1]"].contains(&known.host.as_str());
    let bad = !known.is_secure() && !near;
    let says = "the site is http: passwords and calendars cross the network in the clear, and iOS refuses it";
    exchanges.first().filter(|_| bad).map(|e| e.finding(Grade::Open, says)).into_iter().collect()
}

/// Metrics are not for everybody.
pub(super) fn private_metrics(_: &Known, exchanges: &[Exchange]) -> Vec<Finding> {
    all(exchanges, |e, answer| {
        let body = String::from_utf8_lossy(&answer.body);
        let ours = body.contains("kalends_requests") || (answer.status == 200 && body.contains("uptime"));
        ours.then(|| {
            e.finding(Grade::Weak, "everybody can read kalends' metrics and health through the proxy")
        })
    })
}

/// No cookies for those who have no use for them.
pub(super) fn no_cookies(_: &Known, exchanges: &[Exchange]) -> Vec<Finding> {
    all(exchanges, |e, answer| {
        let says = "an answer to a calendar client sets a cookie: it opens a session with each request, or keeps a stale one";
        answer.header("set-cookie").map(|_| e.finding(Grade::Weak, says))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::judge::Judge;
    use crate::probe::message::Message;
    use crate::probe::wire::{Gone, Outcome};

    fn grades(judge: Judge, message: Message, outcome: Outcome) -> Vec<Grade> {
        let exchange = Exchange { message, outcome };
        judge(&Known::alice(), &[exchange]).into_iter().map(|finding| finding.grade).collect()
    }

    #[test]
    fn a_first_request_is_answered_401_with_a_challenge() {
        let judge = |judge: Judge, path: &str, answer| grades(judge, Message::who(path), Ok(answer));
        let login = || Answer::made(302, &[("location", "https://idp.example/auth?x=y")], "");
        let moved = |to: &str| Answer::made(301, &[("location", to)], "");
        assert_eq!(judge(first_answers, "/dav/", Answer::made(401, &[], "")), []);
        assert_eq!(judge(first_answers, "/dav/", login()), [Grade::Breaks]);
        assert_eq!(judge(first_answers, "/.well-known/caldav", login()), [Grade::Breaks]);
        assert_eq!(judge(first_answers, "/.well-known/caldav", moved("/dav/")), []);
        assert_eq!(judge(discovery, "/.well-known/caldav", moved("https://cal.example.org/dav/")), []);
        assert_eq!(
            judge(discovery, "/.well-known/caldav", moved("http://cal.example.org/dav/")),
            [Grade::Breaks]
        );
        assert_eq!(
            judge(discovery, "/.well-known/caldav", moved("https://other.example/dav/")),
            [Grade::Breaks]
        );
        let asks = |how: &str| Answer::made(401, &[("www-authenticate", how)], "");
        assert_eq!(judge(challenges, "/dav/", asks("Basic realm=\"x\"")), []);
        assert_eq!(judge(challenges, "/dav/", asks("Negotiate, Basic realm=\"x\"")), []);
        assert_eq!(judge(challenges, "/dav/", asks("Bearer realm=\"basic\"")), [Grade::Breaks]);
        assert_eq!(judge(challenges, "/dav/", Answer::made(401, &[], "")), [Grade::Breaks]);
    }

    #[test]
    fn kalends_refuses_in_xml_and_the_proxy_does_not() {
        let put = || Message::new("PUT", "/dav/x");
        let xml = Answer::made(403, &[("content-type", "application/xml; charset=utf-8")], "<error/>");
        assert_eq!(grades(refused_in_xml, put(), Ok(xml)), []);
        let page = Answer::made(413, &[("content-type", "text/html")], "<h1>413</h1>");
        assert_eq!(grades(refused_in_xml, put(), Ok(page)), [Grade::Breaks]);
        assert_eq!(grades(refused_in_xml, put(), Err(Gone::Closed)), [Grade::Breaks]);
        assert_eq!(grades(methods, put(), Ok(Answer::made(405, &[("allow", "PUT")], ""))), [Grade::Breaks]);
        assert_eq!(grades(methods, put(), Ok(Answer::made(404, &[("x-request-id", "1")], ""))), []);
    }
}

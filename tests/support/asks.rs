//! Every method and every report of the tables, with what each takes: who adds a row has it asked by all who walk through them.
#![allow(dead_code)] // each test program uses its own part

use kalends::caldav::registry::{METHODS, REPORTS};
use kalends::dav::Report;

use crate::server::{Answer, Client, event};

/// What is asked, without the path.
pub struct Ask {
    pub verb: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

/// Every method of the table with what it takes, and every report; transfers go to each of `to`, and a multiget names `hrefs`.
pub fn all(to: &[&str], hrefs: &[&str]) -> Vec<Ask> {
    let mut all = methods(to);
    all.extend(REPORTS.iter().map(|row| report(row, hrefs)));
    all
}

/// The answer to it at that path.
pub async fn sent(client: &mut Client, ask: &Ask, path: &str) -> Answer {
    let headers: Vec<(&str, &str)> =
        ask.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    client.ask(&format!("{} {path}", ask.verb), &headers, &ask.body).await
}

fn ask(verb: &'static str, headers: Vec<(&'static str, String)>, body: &str) -> Ask {
    Ask { verb, headers, body: body.to_owned() }
}

fn depth(depth: &str) -> (&'static str, String) {
    ("Depth", depth.to_owned())
}

/// Every method of the table but REPORT, with what it takes.
fn methods(destinations: &[&str]) -> Vec<Ask> {
    let to = |path: &str| ("Destination", path.to_owned());
    let mut all = Vec::new();
    for row in METHODS.iter().filter(|row| row.verb != "REPORT") {
        match row.verb {
            "COPY" | "MOVE" => {
                for path in destinations {
                    all.push(ask(row.verb, vec![to(path), depth("infinity")], ""));
                }
            }
            "PROPFIND" => {
                let everything = "<D:propfind xmlns:D=\"DAV:\"><D:allprop/></D:propfind>";
                all.extend(["0", "1", "infinity"].map(|deep| ask(row.verb, vec![depth(deep)], everything)));
                let named = "<D:propfind xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\" xmlns:CS=\"http://calendarserver.org/ns/\">\
                    <D:prop><D:displayname/><D:group-membership/><D:group-member-set/><D:acl/><D:owner/><CS:getctag/><D:sync-token/>\
                    <CS:calendar-proxy-read-for/><CS:calendar-proxy-write-for/><CS:source/><C:calendar-data/><D:lockdiscovery/>\
                    <D:current-user-privilege-set/><CS:invite/></D:prop></D:propfind>";
                all.push(ask(row.verb, vec![depth("1")], named));
            }
            "PROPPATCH" => all.push(ask(row.verb, vec![], &proppatch("changed"))),
            "PUT" => all.push(ask(row.verb, vec![], &event("put", "put"))),
            "POST" => {
                let share = "<CS:share xmlns:CS=\"http://calendarserver.org/ns/\" xmlns:D=\"DAV:\"><CS:set><D:href>/dav/principals/bob/</D:href>\
                    <CS:read-write/></CS:set></CS:share>";
                all.push(ask(row.verb, vec![("Content-Type", "application/xml".to_owned())], share));
                all.push(ask(row.verb, vec![("Content-Type", "text/calendar".to_owned())], &event("post", "post")));
            }
            "ACL" => all.push(ask(row.verb, vec![], "<D:acl xmlns:D=\"DAV:\"/>")),
            "LOCK" => all.push(ask(
                row.verb,
                vec![depth("0")],
                "<D:lockinfo xmlns:D=\"DAV:\"><D:lockscope><D:shared/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockinfo>",
            )),
            "UNLOCK" => all.push(ask(
                row.verb,
                vec![("Lock-Token", "<urn:uuid:018c0000-0000-7000-8000-000000000000>".to_owned())],
                "",
            )),
            verb => all.push(ask(verb, vec![], "")),
        }
    }
    all
}

/// A report, with what it takes.
fn report(report: &Report, hrefs: &[&str]) -> Ask {
    let name = report.name.to_string();
    let props = "<D:prop><D:displayname/><D:getetag/><C:calendar-data/><D:group-membership/></D:prop>";
    let inside = match report.name.local {
        "free-busy-query" => "<C:time-range start=\"20200101T000000Z\" end=\"20300101T000000Z\"/>".to_owned(),
        "calendar-query" => format!("{props}<C:filter><C:comp-filter name=\"VCALENDAR\"/></C:filter>"),
        "calendar-multiget" => {
            let hrefs: Vec<String> = hrefs.iter().map(|href| format!("<D:href>{href}</D:href>")).collect();
            format!("{props}{}", hrefs.concat())
        }
        "principal-match" => format!("<D:principal-property><D:owner/></D:principal-property>{props}"),
        "principal-property-search" => {
            format!("<D:property-search><D:prop><D:displayname/></D:prop><D:match>b</D:match></D:property-search>{props}")
        }
        "calendarserver-principal-search" => format!("<CS:search-token>b</CS:search-token>{props}"),
        "sync-collection" => format!("<D:sync-token/><D:sync-level>infinite</D:sync-level>{props}"),
        "expand-property" => "<D:property name=\"current-user-principal\"><D:property name=\"calendar-home-set\" \
            namespace=\"urn:ietf:params:xml:ns:caldav\"><D:property name=\"displayname\"/></D:property><D:property \
            name=\"group-membership\"><D:property name=\"displayname\"/></D:property></D:property>".to_owned(),
        _ => props.to_owned(),
    };
    let body = format!(
        "<{name} xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\" xmlns:CS=\"http://calendarserver.org/ns/\">{inside}</{name}>"
    );
    ask("REPORT", vec![depth("0")], &body)
}

/// Sets a name and a dead property.
pub fn proppatch(name: &str) -> String {
    format!(
        "<D:propertyupdate xmlns:D=\"DAV:\"><D:set><D:prop><D:displayname>{name}</D:displayname><x xmlns=\"urn:x\">{name}</x>\
         </D:prop></D:set></D:propertyupdate>"
    )
}

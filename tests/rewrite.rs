//! What is rewritten on storing where the site wants it: who sends what is changed gets no tag, and what GET gives then has one.

#![allow(clippy::unwrap_used)]

#[path = "support/server.rs"]
mod server;
mod support;

use kalends::config::Size;
use server::{Answer, Client, Server};

const HREF: &str = "/dav/calendars/alice/calendar/a.ics";

fn object(lines: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//test//EN\r\nBEGIN:VTIMEZONE\r\nTZID:Europe/Paris\r\n\
         COMMENT:{}\r\nBEGIN:STANDARD\r\nDTSTART:19701025T030000\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\n\
         END:VTIMEZONE\r\nBEGIN:VEVENT\r\nUID:a\r\nDTSTAMP:20260101T000000Z\r\nDTSTART;TZID=Europe/Paris:20260301T090000\r\n\
         {lines}END:VEVENT\r\nEND:VCALENDAR\r\n",
        "z".repeat(70)
    )
}

/// A server where everything is rewritten that can be.
async fn server() -> (Server, Client) {
    let server = Server::start(|settings| {
        settings.rewrite.strip_inline = true;
        settings.rewrite.description_bytes = Size(48);
        settings.rewrite.summary_bytes = Size(32);
        settings.rewrite.attendees = true;
        settings.rewrite.contradictions = true;
        settings.calendar.max_resource_size = Size(4096);
    })
    .await;
    let client = server.client("alice").await;
    (server, client)
}

async fn put(client: &mut Client, lines: &str) -> Answer {
    client.ask(&format!("PUT {HREF}"), &[], object(lines)).await
}

/// What is sent is stored as the second lines say; a client is told whether that is what it sent.
async fn becomes(client: &mut Client, sent: &str, stored: &str) {
    let answer = put(client, sent).await;
    assert!(answer.is_done(), "{}", answer.text());
    assert_eq!(answer.header("etag").is_some(), sent == stored, "{sent}");
    let got = client.ask(&format!("GET {HREF}"), &[], "").await;
    assert_eq!(got.text(), object(stored));
    let tag = got.header("etag").unwrap().to_owned();
    assert!(tag.starts_with('"'), "{tag}");
    let same = client.ask(&format!("GET {HREF}"), &[("If-None-Match", &tag)], "").await;
    assert_eq!(same.status, 304);
    // What is stored comes back as it is: nobody sends it again and again.
    let again = client.ask(&format!("PUT {HREF}"), &[("If-Match", &tag)], object(stored)).await;
    assert_eq!((again.status, again.header("etag")), (204, Some(&*tag)));
}

const BINARY: &str = "ATTACH;VALUE=BINARY;ENCODING=BASE64;FMTTYPE=image/png:iVBORw0KGgoAAAANSUhEUg==\r\n";
const LINK: &str = "ATTACH;FMTTYPE=application/pdf:https://example.com/agenda.pdf\r\n";

#[tokio::test]
async fn attachments_in_the_object_go_and_links_stay() {
    let (_server, mut client) = server().await;
    becomes(&mut client, BINARY, "").await;
    becomes(&mut client, &[LINK, BINARY].concat(), LINK).await;
    becomes(&mut client, LINK, LINK).await;
}

#[tokio::test]
async fn long_texts_are_cut_and_no_time_zone_is() {
    let (_server, mut client) = server().await;
    let (long, short) = ("x".repeat(48), "SUMMARY:Lunch\r\n");
    // Just long enough is left alone, whatever stands beside it.
    becomes(&mut client, &format!("DESCRIPTION:{long}\r\n"), &format!("DESCRIPTION:{long}\r\n")).await;
    let cut = format!("DESCRIPTION:{}...\r\n{short}", &long[..45]);
    becomes(&mut client, &format!("DESCRIPTION:{long}x\r\n{short}"), &cut).await;
    let summary = format!("SUMMARY;LANGUAGE=fr:{}\r\nLOCATION:{}\r\n", "é".repeat(17), "早".repeat(11));
    let cut = format!("SUMMARY;LANGUAGE=fr:{}...\r\nLOCATION:{}...\r\n", "é".repeat(14), "早".repeat(9));
    becomes(&mut client, &summary, &cut).await;
}

#[tokio::test]
async fn an_object_may_come_longer_than_it_is_kept() {
    let (_server, mut client) = server().await;
    let picture = format!("ATTACH;VALUE=BINARY;ENCODING=BASE64:{}\r\n", "AAAA".repeat(20_000));
    becomes(&mut client, &picture, "").await;
    let long = put(&mut client, &format!("X-LONG:{}\r\n", "x".repeat(5000))).await;
    assert_eq!((long.status, long.condition().as_deref()), (403, Some("C:max-resource-size")));
}

#[tokio::test]
async fn an_attendee_is_listed_once() {
    let (_server, mut client) = server().await;
    let organizer = "ORGANIZER:mailto:a@x\r\n";
    let sent = format!(
        "{organizer}ATTENDEE;PARTSTAT=ACCEPTED;CN=Foo:MAILTO:Foo@X\r\nATTENDEE;PARTSTAT=NEEDS-ACTION:MAILTO:foo@X\r\n"
    );
    becomes(&mut client, &sent, &format!("{organizer}ATTENDEE;PARTSTAT=ACCEPTED;CN=Foo:mailto:foo@x\r\n"))
        .await;
}

/// What a calendar program made of "edit this": an override, and an EXDATE for the same instance.
const EDITED: (&str, &str) = (
    "RRULE:FREQ=DAILY;COUNT=3\r\nEXDATE;TZID=Europe/Paris:20260302T090000\r\n",
    "END:VEVENT\r\nBEGIN:VEVENT\r\nUID:a\r\nDTSTAMP:20260101T000000Z\r\nRECURRENCE-ID;TZID=Europe/Paris:20260302T090000\r\n\
     DTSTART;TZID=Europe/Paris:20260302T110000\r\nSUMMARY:edited\r\n",
);

async fn instances(client: &mut Client) -> String {
    let body = "<C:calendar-query xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><D:prop><C:calendar-data>\
                <C:expand start=\"20260301T000000Z\" end=\"20260401T000000Z\"/></C:calendar-data></D:prop><C:filter>\
                <C:comp-filter name=\"VCALENDAR\"><C:comp-filter name=\"VEVENT\"><C:time-range start=\"20260302T000000Z\" \
                end=\"20260303T000000Z\"/></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>";
    client.ask("REPORT /dav/calendars/alice/calendar/", &[], body).await.text()
}

#[tokio::test]
async fn an_exdate_for_an_overridden_instance_goes() {
    let (_server, mut client) = server().await;
    let sent = [EDITED.0, EDITED.1].concat();
    becomes(&mut client, &sent, &["RRULE:FREQ=DAILY;COUNT=3\r\n", EDITED.1].concat()).await;
    assert!(instances(&mut client).await.contains("SUMMARY:edited"));
}

#[tokio::test]
async fn by_default_octets_are_kept_and_the_override_is_seen_all_the_same() {
    let server = Server::start(|_| ()).await;
    let mut client = server.client("alice").await;
    let attendees = "ATTENDEE:MAILTO:Foo@X\r\nATTENDEE:mailto:foo@x\r\n";
    let sent = [BINARY, attendees, EDITED.0, EDITED.1].concat();
    becomes(&mut client, &sent, &sent).await;
    assert!(instances(&mut client).await.contains("SUMMARY:edited"));
}

#[tokio::test]
async fn whoever_asks_for_it_is_given_what_is_stored_with_its_tag() {
    let (_server, mut client) = server().await;
    let prefer = [("Prefer", "return=representation")];
    let answer = client.ask(&format!("PUT {HREF}"), &prefer, object(BINARY)).await;
    assert_eq!((answer.status, answer.text()), (201, object("")));
    let got = client.ask(&format!("GET {HREF}"), &[], "").await;
    assert_eq!(got.header("etag"), answer.header("etag"));
}

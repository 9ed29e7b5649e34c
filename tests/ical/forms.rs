//! jCal and xCal: what they look like, and that nothing is lost on the way there and back.

use kalends::ical::{Calendar, jcal, xcal};
use proptest::prelude::*;

use super::agree::there_and_back;
use super::corpus::corpus;
use super::{SAMPLES, own, parse};

#[test]
fn samples_there_and_back() {
    for name in SAMPLES {
        there_and_back(name, &Calendar::parse(own(name)).unwrap());
    }
}

#[test]
fn corpus_there_and_back() {
    for folder in ["compat-testdata", "examples-testdata", "testdata", "parsing-testdata-valid"] {
        for (path, octets) in corpus(folder) {
            if let Ok(calendar) = Calendar::parse(octets) {
                there_and_back(&path.display().to_string(), &calendar);
            }
        }
    }
}

/// An event with these lines.
fn event(lines: &str) -> Calendar {
    parse(format!("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n{lines}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"))
}

/// Lines, and how the two forms spell each.
const SPELLED: [(&str, &str, &str); 25] = [
    ("SUMMARY:a\\, b\\nc", r#"["summary",{},"text","a, b\nc"]"#, "<summary><text>a, b\nc</text></summary>"),
    (
        "CATEGORIES:a,b\\,c",
        r#"["categories",{},"text","a","b,c"]"#,
        "<categories><text>a</text><text>b,c</text></categories>",
    ),
    (
        "DTSTART:20260102T030405Z",
        r#"["dtstart",{},"date-time","2026-01-02T03:04:05Z"]"#,
        "<date-time>2026-01-02T03:04:05Z</date-time>",
    ),
    (
        "DTSTART;VALUE=DATE:20260102",
        r#"["dtstart",{},"date","2026-01-02"]"#,
        "<dtstart><date>2026-01-02</date></dtstart>",
    ),
    (
        "DTSTART;TZID=Europe/Berlin:20260102T030405",
        r#"["dtstart",{"tzid":"Europe/Berlin"},"date-time","2026-01-02T03:04:05"]"#,
        "<dtstart><parameters><tzid><text>Europe/Berlin</text></tzid></parameters><date-time>2026-01-02T03:04:05</date-time></dtstart>",
    ),
    (
        "EXDATE:20260102T000000,20260103T000000",
        r#""date-time","2026-01-02T00:00:00","2026-01-03T00:00:00"]"#,
        "<date-time>2026-01-03T00:00:00</date-time>",
    ),
    (
        "RDATE;VALUE=PERIOD:20260102T000000Z/PT1H",
        r#"["rdate",{},"period",["2026-01-02T00:00:00Z","PT1H"]]"#,
        "<period><start>2026-01-02T00:00:00Z</start><duration>PT1H</duration></period>",
    ),
    (
        "FREEBUSY;FBTYPE=BUSY:20260102T000000Z/20260102T010000Z",
        r#"["freebusy",{"fbtype":"BUSY"},"period",["2026-01-02T00:00:00Z","2026-01-02T01:00:00Z"]]"#,
        "<period><start>2026-01-02T00:00:00Z</start><end>2026-01-02T01:00:00Z</end></period>",
    ),
    (
        "RRULE:FREQ=YEARLY;COUNT=5;BYDAY=-1SU,2MO;BYMONTH=10",
        r#"["rrule",{},"recur",{"byday":["-1SU","2MO"],"bymonth":10,"count":5,"freq":"YEARLY"}]"#,
        "<recur><freq>YEARLY</freq><count>5</count><byday>-1SU</byday><byday>2MO</byday><bymonth>10</bymonth></recur>",
    ),
    (
        "RRULE:FREQ=DAILY;UNTIL=20260102",
        r#"{"freq":"DAILY","until":"2026-01-02"}"#,
        "<until>2026-01-02</until>",
    ),
    (
        "GEO:37.386013;-122.082932",
        r#"["geo",{},"float",[37.386013,-122.082932]]"#,
        "<geo><latitude>37.386013</latitude><longitude>-122.082932</longitude></geo>",
    ),
    (
        "REQUEST-STATUS:3.7;No such\\; user;ATTENDEE:a",
        r#"["request-status",{},"text",["3.7","No such; user","ATTENDEE:a"]]"#,
        "<code>3.7</code><description>No such; user</description><data>ATTENDEE:a</data>",
    ),
    ("PERCENT-COMPLETE:42", r#"["percent-complete",{},"integer",42]"#, "<integer>42</integer>"),
    (
        "TZOFFSETFROM:-050000",
        r#"["tzoffsetfrom",{},"utc-offset","-05:00:00"]"#,
        "<utc-offset>-05:00:00</utc-offset>",
    ),
    ("X-A;VALUE=BOOLEAN:TRUE", r#"["x-a",{},"boolean",true]"#, "<x-a><boolean>true</boolean></x-a>"),
    ("X-A;VALUE=FLOAT:1.3", r#"["x-a",{},"float",1.3]"#, "<x-a><float>1.3</float></x-a>"),
    ("X-A;VALUE=TIME:120000", r#"["x-a",{},"time","12:00:00"]"#, "<x-a><time>12:00:00</time></x-a>"),
    (
        "X-COFFEE:Stenophylla;Guinea\\,Africa",
        r#"["x-coffee",{},"unknown","Stenophylla;Guinea\\,Africa"]"#,
        "<unknown>Stenophylla;Guinea\\,Africa</unknown>",
    ),
    (
        "ATTENDEE;RSVP=TRUE;DELEGATED-TO=\"mailto:a@b\",\"mailto:c@d\":mailto:e@f",
        r#"["attendee",{"delegated-to":["mailto:a@b","mailto:c@d"],"rsvp":"TRUE"},"cal-address","mailto:e@f"]"#,
        "<rsvp><boolean>true</boolean></rsvp><delegated-to><cal-address>mailto:a@b</cal-address><cal-address>mailto:c@d</cal-address></delegated-to>",
    ),
    (
        "ATTACH;ENCODING=BASE64;VALUE=BINARY:SGVsbG8=",
        r#"["attach",{"encoding":"BASE64"},"binary","SGVsbG8="]"#,
        "<binary>SGVsbG8=</binary>",
    ),
    (
        "TRIGGER;VALUE=DATE-TIME:20260102T000000Z",
        r#"["trigger",{},"date-time","2026-01-02T00:00:00Z"]"#,
        "<trigger><date-time>",
    ),
    (
        "X-A;X-P=^'q^'^nr:1",
        r#"["x-a",{"x-p":"\"q\"\nr"},"unknown","1"]"#,
        "<x-p><unknown>\"q\"\nr</unknown></x-p>",
    ),
    (
        "DTSTART;TZID=Europe/Berlin;TZID=Asia/Tokyo:20260102T030405",
        r#"["dtstart",{"tzid":["Europe/Berlin","Asia/Tokyo"]},"date-time","2026-01-02T03:04:05"]"#,
        "<tzid><text>Europe/Berlin</text><text>Asia/Tokyo</text></tzid>",
    ),
    ("DTSTART:soon", r#"["dtstart",{},"unknown","soon"]"#, "<dtstart><unknown>soon</unknown></dtstart>"),
    (
        "REFRESH-INTERVAL;VALUE=DURATION:P1W",
        r#"["refresh-interval",{},"duration","P1W"]"#,
        "<duration>P1W</duration>",
    ),
];

#[test]
fn each_type_has_its_spelling() {
    for (line, json, xml) in SPELLED {
        let calendar = event(line);
        let (jcal, xcal) = (jcal::write(&calendar), xcal::write(&calendar).unwrap());
        assert!(jcal.contains(json), "{line}\n{jcal}");
        assert!(xcal.contains(xml), "{line}\n{xcal}");
        there_and_back(line, &calendar);
    }
    let empty = parse("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n");
    assert_eq!(jcal::write(&empty), r#"["vcalendar",[["version",{},"text","2.0"]],[["vevent",[],[]]]]"#);
    assert_eq!(
        xcal::write(&empty).unwrap(),
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<icalendar xmlns=\"urn:ietf:params:xml:ns:icalendar-2.0\"><vcalendar><properties><version><text>2.0</text></version></properties><components><vevent></vevent></components></vcalendar></icalendar>"
    );
    assert!(xcal::write(&event("1X:a")).is_none(), "no element begins with a digit");
}

#[test]
fn what_products_write_is_spelled_right() {
    let json = |line: &str| jcal::write(&event(line));
    assert!(json("DTSTART:20260102").contains(r#""date","2026-01-02""#));
    assert!(json("DTSTART;VALUE=DATE:20260102T000000").contains(r#""date","2026-01-02""#));
    assert!(json("RDATE:20260102T000000Z/PT1H").contains(r#""period",["#));
    // A wrong VALUE is dropped, white space too; a rule that says something twice is none, and stays so.
    assert!(json("TRIGGER;VALUE=DATE-TIME:-PT5M").contains(r#"["trigger",{},"duration","-PT5M"]"#));
    assert!(json("DURATION:PT1S\t").contains(r#""duration","PT1S"]"#));
    assert!(json("DURATION:an hour").contains(r#""unknown","an hour"]"#));
    assert!(
        json("RRULE:FREQ=DAILY;BYDAY=X;BYDAY=MO").contains(r#""unknown","FREQ=DAILY;BYDAY=X;BYDAY=MO"]"#)
    );
    let read = |property: &str| jcal::read(format!(r#"["vcalendar",[{property}],[]]"#).as_bytes()).unwrap();
    let line = |property: &str| {
        String::from_utf8(read(property).root().lines().next().unwrap().raw().to_vec()).unwrap()
    };
    assert_eq!(
        line(r#"["DtStart",{"TZID":"a:b"},"DATE-TIME","2026-01-02T03:04:05"]"#),
        "DTSTART;TZID=\"a:b\":20260102T030405"
    );
    assert_eq!(line(r#"["sequence",{},"integer",2e0]"#), "SEQUENCE:2");
    assert_eq!(line(r#"["x-a",{},"date","2026-01-02"]"#), "X-A;VALUE=DATE:20260102");
    assert_eq!(
        line(r#"["rrule",{},"recur",{"byday":"MO","freq":"WEEKLY","interval":2}]"#),
        "RRULE:FREQ=WEEKLY;BYDAY=MO;INTERVAL=2"
    );
}

#[test]
fn what_is_no_jcal() {
    let at = |text: &str| jcal::read(text.as_bytes()).unwrap_err().to_string();
    assert!(at("[").starts_with("line 1, column 1: not JSON"));
    assert!(at("{}").starts_with("document: "));
    assert!(at(r#"["vevent",[],[]]"#).contains("VCALENDAR"));
    assert!(at(&"[".repeat(100_000)).contains("not JSON"));
    for property in [
        "1",
        r#"["summary",{},"text"]"#,
        r#"["begin",{},"text","VEVENT"]"#,
        r#"["a b",{},"text","x"]"#,
        r#"["x-a",{},"unknown","x\r\nATTENDEE:y"]"#,
        r#"["x-a",{"p":1},"unknown","x"]"#,
        r#"["x-a",{"value":"DATE"},"unknown","x"]"#,
        r#"["x-a",{"p;q":"1"},"unknown","x"]"#,
        r#"["x-a",{"p":"a\rb"},"unknown","x"]"#,
        r#"["url",{},"uri","a\nb"]"#,
        r#"["dtstart",{},"date-time","2026-01-02"]"#,
        r#"["dtstart",{},"date-time","now"]"#,
        r#"["dtstart",{},"a:b","now"]"#,
        r#"["rrule",{},"recur","FREQ=DAILY"]"#,
        r#"["rrule",{},"recur",{"freq":"DAILY;COUNT=9"}]"#,
        r#"["rrule",{},"recur",{}]"#,
        r#"["sequence",{},"integer",1.5]"#,
        r#"["tzoffsetto",{},"utc-offset","5"]"#,
        r#"["freebusy",{},"period",["2026-01-02T00:00:00Z"]]"#,
    ] {
        let fault = at(&format!(r#"["vcalendar",[],[["vevent",[["uid",{{}},"text","a"],{property}],[]]]]"#));
        assert!(fault.starts_with("vcalendar/vevent/"), "{property}: {fault}");
    }
}

#[test]
fn what_is_no_xcal() {
    let wrap = |inner: &str| {
        format!("<icalendar xmlns=\"urn:ietf:params:xml:ns:icalendar-2.0\">{inner}</icalendar>")
    };
    let at = |text: &str| xcal::read(text.as_bytes()).unwrap_err().to_string();
    assert!(at("<a").contains("not XML"));
    assert!(at("<icalendar/>").starts_with("document: "));
    assert!(at(&wrap("")).starts_with("document: "));
    assert!(at(&wrap("<vcalendar/><vcalendar/>")).starts_with("document: "));
    for property in [
        "<summary/>",
        "<begin><text>VEVENT</text></begin>",
        "<x-a><unknown>x&#10;ATTENDEE:y</unknown></x-a>",
        "<x-a><parameters><value><text>DATE</text></value></parameters><unknown>x</unknown></x-a>",
        "<dtstart><date-time>2026-01-02</date-time></dtstart>",
        "<dtstart><date>2026-01-02</date><date-time>2026-01-02T00:00:00</date-time></dtstart>",
        "<rrule><recur/></rrule>",
        "<rrule><recur><freq>DAILY;COUNT=2</freq></recur></rrule>",
        "<freebusy><period><start>2026-01-02T00:00:00Z</start></period></freebusy>",
        "<sequence><integer>x</integer></sequence>",
    ] {
        let inner = format!(
            "<vcalendar><components><vevent><properties>{property}</properties></vevent></components></vcalendar>"
        );
        let fault = at(&wrap(&inner));
        assert!(fault.starts_with("vcalendar/vevent/"), "{property}: {fault}");
    }
    let foreign = wrap(
        "<vcalendar><properties><x xmlns=\"urn:x\">1</x><version><text>2.0</text></version></properties></vcalendar>",
    );
    assert_eq!(xcal::read(foreign.as_bytes()).unwrap().root().lines().count(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_there_and_back(
        text in "[ -~é😀\t]{0,40}",
        lines in prop::collection::vec("[a-z\\\\;,\n\"^:]{0,12}", 1..4),
        param in "[ -~é\n]{0,20}",
    ) {
        let summary = ["summary", "x-a", "url", "categories", "attendee"].map(|name| {
            let kind = ["text", "unknown", "uri", "text", "cal-address"]
                [["summary", "x-a", "url", "categories", "attendee"].iter().position(|n| *n == name).expect("a name")];
            let value = if kind == "text" { lines.concat() } else { text.clone() };
            serde_json::json!([name, {"x-p": [param.clone(), "b"]}, kind, value])
        });
        let json = serde_json::json!(["vcalendar", summary, []]).to_string();
        let read = jcal::read(json.as_bytes()).expect(&json);
        prop_assert_eq!(jcal::write(&read), json);
        there_and_back("made up", &read);
    }

    #[test]
    fn no_document_does_harm(text in "[\\[\\]{}\":,a-z0-9-]{0,200}", json in any::<bool>()) {
        let _read = if json { jcal::read(text.as_bytes()) } else { xcal::read(text.as_bytes()) };
    }
}

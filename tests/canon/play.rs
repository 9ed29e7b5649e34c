//! Plays a transcript against a server and judges its answers, or writes them down as what is expected.

use std::net::SocketAddr;

use super::cast::Cast;
use super::http::{Answer, Request, send};
use super::pattern::{Captures, agrees, fill, names, unfill};
use super::transcript::{Body, Exchange, Expected, Transcript};
use super::{diff, node};

/// Headers that are lists whose order says nothing.
const LISTS: &[&str] = &["Allow", "DAV", "Vary", "Preference-Applied"];

/// Plays the transcript, the nodes taking turns, up to the first answer that is not the expected one, and says what is wrong
/// with that.
pub fn play(transcript: &Transcript, nodes: &[SocketAddr], cast: &Cast) -> Result<(), String> {
    let mut captures = Captures::new();
    for (exchange, node) in transcript.exchanges.iter().zip(nodes.iter().cycle()) {
        let faults = match perform(exchange, *node, cast, &captures) {
            Ok(answer) => judge(&exchange.expected, &answer, &mut captures),
            Err(fault) => vec![fault],
        };
        if !faults.is_empty() {
            let (path, line, title) = (transcript.path.display(), exchange.line, &transcript.title);
            let asked = format!("{} {}", exchange.method, exchange.target);
            return Err(format!("{path}:{line}: {title}\n    {asked}\n    {}", faults.join("\n    ")));
        }
    }
    Ok(())
}

/// Whether the transcript can be played at all: its XML can be read, and it asks for nothing it has not captured.
pub fn check(transcript: &Transcript) -> Result<(), String> {
    let mut known = Captures::new();
    for exchange in &transcript.exchanges {
        let at = |fault: String| format!("{}:{}: {fault}", transcript.path.display(), exchange.line);
        let asked = [&exchange.target].into_iter().chain(exchange.headers.iter().map(|(_, value)| value));
        let told = exchange.expected.headers.iter().filter_map(|(_, value)| value.as_ref());
        let bodies = [&exchange.body, &exchange.expected.body].map(|body| match body {
            Body::Text(text) => text.as_str(),
            Body::None | Body::File(_) => "",
        });
        for text in asked.map(String::as_str).chain([bodies[0]]) {
            fill(text, &known).map_err(at)?;
        }
        if bodies[1].starts_with('<') {
            node::expected(bodies[1]).map_err(at)?;
        }
        told.map(String::as_str).chain([bodies[1]]).for_each(|text| {
            known.extend(names(text).map(|name| (name.to_owned(), name.to_owned())));
        });
    }
    Ok(())
}

/// The file of the transcript with its expectations replaced by what the server answers, where that does not agree.
pub fn bless(transcript: &Transcript, server: SocketAddr, cast: &Cast) -> Result<String, String> {
    let (mut captures, mut lines, mut copied) = (Captures::new(), Vec::new(), 0);
    for exchange in &transcript.exchanges {
        let answer = perform(exchange, server, cast, &captures)
            .map_err(|e| format!("{}:{}: {e}", transcript.path.display(), exchange.line))?;
        let expected = &exchange.expected;
        lines.extend_from_slice(&transcript.lines[copied..expected.lines.start]);
        copied = expected.lines.end;
        if judge(expected, &answer, &mut captures).is_empty() {
            lines.extend_from_slice(&transcript.lines[expected.lines.clone()]);
        } else {
            lines.push(format!("< {}", answer.status));
            lines
                .extend(expected.headers.iter().map(|header| blessed_header(header, &answer, &mut captures)));
            if let Some(body) = blessed_body(&expected.body, &answer, &mut captures) {
                lines.push(String::new());
                lines.extend(body.lines().map(str::to_owned));
            }
        }
    }
    lines.extend_from_slice(&transcript.lines[copied..]);
    Ok(lines.join("\n") + "\n")
}

fn perform(
    exchange: &Exchange,
    server: SocketAddr,
    cast: &Cast,
    captures: &Captures,
) -> Result<Answer, String> {
    let wire = |text: &str| fill(text, captures).map(|filled| cast.dress(&filled));
    let body = match &exchange.body {
        Body::None => Vec::new(),
        Body::Text(text) => ended(&wire(text)?, is_calendar(exchange, text)).into_bytes(),
        Body::File(octets) => match std::str::from_utf8(octets) {
            Ok(text) => cast.dress(text).into_bytes(),
            Err(_) => octets.clone(),
        },
    };
    let mut headers = vec![("Host".to_owned(), "calendar.example.com".to_owned())];
    headers.extend(exchange.user.iter().map(|user| ("X-Forwarded-User".to_owned(), cast.dress(user))));
    headers.extend(media_type(exchange, &body).map(|value| ("Content-Type".to_owned(), value.to_owned())));
    for (name, value) in exchange.headers.iter().filter(|(name, _)| !name.starts_with('!')) {
        headers.push((name.clone(), wire(value)?));
    }
    let (method, target) = (exchange.method.clone(), wire(&exchange.target)?);
    let answer = send(server, &Request { method, target, headers, body })?;
    let body = match String::from_utf8(answer.body) {
        Ok(text) => cast.undress(&text).into_bytes(),
        Err(other) => other.into_bytes(),
    };
    let headers = answer.headers.into_iter().map(|(name, value)| (name, cast.undress(&value))).collect();
    Ok(Answer { status: answer.status, headers, body })
}

/// What is said of the body where the transcript says nothing.
fn media_type(exchange: &Exchange, body: &[u8]) -> Option<&'static str> {
    let said =
        exchange.headers.iter().any(|(n, _)| n.trim_start_matches('!').eq_ignore_ascii_case("Content-Type"));
    let guess = if body.starts_with(b"BEGIN:") {
        "text/calendar; charset=utf-8"
    } else if body.starts_with(b"<") {
        "application/xml; charset=utf-8"
    } else {
        return None;
    };
    (!said).then_some(guess)
}

fn is_calendar(exchange: &Exchange, text: &str) -> bool {
    let calendar =
        |(n, v): &(String, String)| n.eq_ignore_ascii_case("Content-Type") && v.starts_with("text/calendar");
    text.starts_with("BEGIN:") || exchange.headers.iter().any(calendar)
}

/// The lines with the ends they have on the wire.
fn ended(text: &str, calendar: bool) -> String {
    if calendar { text.lines().flat_map(|line| [line, "\r\n"]).collect() } else { text.to_owned() }
}

/// What is wrong with the answer; its captures are kept either way.
fn judge(expected: &Expected, answer: &Answer, captures: &mut Captures) -> Vec<String> {
    let mut faults = Vec::new();
    if answer.status != expected.status {
        faults.push(format!("status: {} is expected, {} came", expected.status, answer.status));
    }
    for (name, value) in &expected.headers {
        let came = answer.header(name);
        if !header_agrees(name, value.as_deref(), came.as_deref(), captures) {
            let value = value.as_ref().map_or_else(|| "no such header".to_owned(), |v| unfilled(v, captures));
            faults.push(format!("{name}: {value} is expected, {} came", came.as_deref().unwrap_or("none")));
        }
    }
    faults.extend(judge_body(&expected.body, answer, captures).err());
    faults
}

fn header_agrees(name: &str, expected: Option<&str>, came: Option<&str>, captures: &mut Captures) -> bool {
    match (expected, came) {
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
        (Some(expected), Some(came)) if LISTS.iter().any(|list| name.eq_ignore_ascii_case(list)) => {
            let tokens = |list: &'static str, text: &str| -> Vec<String> {
                text.split(list).map(|token| token.trim().to_owned()).collect()
            };
            let (wanted, mut left) = (tokens(",", expected), tokens(",", came));
            let others = wanted.iter().any(|token| token == "{*}");
            let all = wanted.iter().filter(|token| *token != "{*}").all(|token| {
                left.iter()
                    .position(|other| other.eq_ignore_ascii_case(token))
                    .map(|at| left.remove(at))
                    .is_some()
            });
            all && (others || left.is_empty())
        }
        (Some(expected), Some(came)) => agrees(expected, came, captures),
    }
}

fn judge_body(expected: &Body, answer: &Answer, captures: &mut Captures) -> Result<(), String> {
    let text = || String::from_utf8_lossy(&answer.body);
    let paper = match expected {
        Body::None if answer.body.is_empty() => return Ok(()),
        Body::None => return Err(format!("body: none is expected, this came:\n{}", text())),
        Body::File(octets) if *octets == answer.body => return Ok(()),
        Body::File(octets) => {
            let octets = String::from_utf8_lossy(octets);
            return Err(format!("body:\n{}", diff::lines(&octets, &text(), |a, b| a == b)));
        }
        Body::Text(paper) if paper == "{*}" => return Ok(()),
        Body::Text(paper) => paper,
    };
    if !paper.starts_with('<') {
        let calendar = paper.starts_with("BEGIN:");
        let (paper, wire) = (ended(paper, calendar), text());
        // On paper the end of the last line of plain text is not seen.
        let wire = if calendar { &wire } else { wire.strip_suffix('\n').unwrap_or(&wire) };
        let agreed = agrees(&paper, wire, captures);
        return if agreed { Ok(()) } else { Err(format!("body:\n{}", marked(&paper, wire, captures))) };
    }
    let media_type = answer.header("Content-Type").unwrap_or_default();
    let xml = ["application/xml", "text/xml", "application/calendar+xml", "application/server-info+xml"];
    if !xml.iter().any(|kind| media_type.starts_with(kind)) {
        return Err(format!("body: XML is expected, Content-Type {media_type:?} came:\n{}", text()));
    }
    let (paper, wire) = (node::expected(paper)?, node::answered(&answer.body)?);
    let agreed = paper.agrees(&wire, captures);
    if agreed { Ok(()) } else { Err(format!("body:\n{}", marked(&paper.render(), &wire.render(), captures))) }
}

/// The difference, in which a line with captures is the same as a line that agrees with it.
fn marked(paper: &str, wire: &str, captures: &Captures) -> String {
    diff::lines(paper, wire, |a, b| agrees(a, b, &mut captures.clone()))
}

/// The pattern with what is known of it.
fn unfilled(pattern: &str, captures: &Captures) -> String {
    fill(pattern, captures).unwrap_or_else(|_| pattern.to_owned())
}

fn blessed_header(header: &(String, Option<String>), answer: &Answer, captures: &mut Captures) -> String {
    let (name, value) = header;
    let came = answer.header(name);
    if header_agrees(name, value.as_deref(), came.as_deref(), captures) {
        return value.as_ref().map_or_else(|| format!("!{name}"), |value| format!("{name}: {value}"));
    }
    came.map_or_else(|| format!("!{name}"), |came| format!("{name}: {}", unfill(&came, captures)))
}

fn blessed_body(expected: &Body, answer: &Answer, captures: &mut Captures) -> Option<String> {
    let text = String::from_utf8_lossy(&answer.body).replace("\r\n", "\n");
    let kept = matches!(expected, Body::Text(_)) && judge_body(expected, answer, captures).is_ok();
    match (expected, node::answered(&answer.body)) {
        (Body::Text(paper), _) if kept => Some(paper.clone()),
        _ if answer.body.is_empty() => None,
        (Body::Text(paper), Ok(wire)) => Some(match node::expected(paper) {
            Ok(old) => old.bless(&wire, captures).render(),
            Err(_) => wire.render(),
        }),
        (_, Ok(wire)) => Some(wire.render()),
        (_, Err(_)) => Some(unfill(&text, captures)),
    }
}

/// The judge must be able to say no: a server that answers by rote, and transcripts it cannot satisfy.
#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::{SocketAddr, TcpListener};
    use std::path::Path;
    use std::thread::{JoinHandle, spawn};

    use super::{bless, play};
    use crate::canon::cast::Cast;
    use crate::canon::transcript::Transcript;

    const MULTISTATUS: &str = "HTTP/1.1 207 Multi-Status\r\nContent-Type: application/xml\r\nETag: \"1\"\r\n\r\n\
        <d:multistatus xmlns:d='DAV:'><d:response><d:href>/dav/alice-0007/</d:href><d:propstat><d:prop><d:getetag>\"1\"</d:getetag></d:prop>\
        <d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response></d:multistatus>";
    const CUT: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab";
    const CALENDAR: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/calendar\r\nAllow: PUT, GET\r\n\r\nBEGIN:X\r\nSUMMARY:of alice-0007\r\nEND:X\r\n";

    /// A server that gives these answers, one a connection, and tells what it was asked.
    fn by_rote(answers: &'static [&'static str]) -> (SocketAddr, JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heard = spawn(move || answers.iter().map(|answer| serve(&listener, answer)).collect());
        (address, heard)
    }

    fn serve(listener: &TcpListener, answer: &str) -> String {
        let (mut stream, _) = listener.accept().expect("a request");
        let mut reader = BufReader::new(stream.try_clone().expect("a socket"));
        let (mut request, mut length) = (String::new(), 0);
        while !request.ends_with("\r\n\r\n") {
            let from = request.len();
            reader.read_line(&mut request).expect("a line");
            length = request[from..]
                .strip_prefix("Content-Length: ")
                .map_or(length, |n| n.trim().parse().expect("a number"));
        }
        reader.take(length).read_to_string(&mut request).expect("a body");
        stream.write_all(answer.as_bytes()).expect("a client");
        request
    }

    fn played(answers: &'static [&'static str], text: &str) -> Result<(), String> {
        let transcript = Transcript::parse(Path::new("t.txt"), text).unwrap();
        let (server, heard) = by_rote(answers);
        let outcome = play(&transcript, &[server], &Cast::new(7));
        if outcome.is_ok() {
            heard.join().unwrap();
        }
        outcome
    }

    const PAPER: &str = "# T\n> alice PROPFIND /\n< 207\nETag: \"{e}\"\n!Location\n\n<D:multistatus><D:response><D:href>/dav/alice/</D:href>\
        <D:propstat><D:prop><D:getetag>\"{e}\"</D:getetag></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response></D:multistatus>\n";

    #[test]
    fn a_right_answer_is_accepted() {
        assert_eq!(played(&[MULTISTATUS], PAPER), Ok(()));
        let get = "# T\n> alice GET /\n< 200\nAllow: GET, PUT\n\nBEGIN:X\nSUMMARY:of alice\nEND:X\n";
        assert_eq!(played(&[CALENDAR], get), Ok(()));
    }

    #[test]
    fn a_wrong_answer_is_refused_and_says_why() {
        for (right, wrong, why) in [
            ("< 207", "< 200", "status: 200 is expected, 207 came"),
            ("ETag: \"{e}\"", "ETag: \"2\"", "ETag: \"2\" is expected, \"1\" came"),
            ("ETag: \"{e}\"", "DAV: 1", "DAV: 1 is expected, none came"),
            ("!Location", "!Content-Type", "Content-Type: no such header is expected"),
            ("/dav/alice/", "/dav/bob/", "- "),
            ("<D:getetag>\"{e}\"", "<D:getetag>\"{e}2\"", "+ "),
            ("D:getetag>", "D:displayname>", "- "),
        ] {
            let fault = played(&[MULTISTATUS], &PAPER.replace(right, wrong)).expect_err(wrong);
            assert!(fault.contains("t.txt:2") && fault.contains(why), "{fault}");
        }
        let bodiless = PAPER.split_inclusive('\n').take(5).collect::<String>();
        assert!(played(&[MULTISTATUS], &bodiless).unwrap_err().contains("none is expected"));
    }

    #[test]
    fn text_and_lists_are_judged_too() {
        for wrong in [
            "Allow: GET\n\n{*}",
            "Allow: GET, PUT, POST\n\n{*}",
            "\nBEGIN:X\nEND:X",
            "\nBEGIN:X",
            "\n<D:error/>",
        ] {
            assert!(
                played(&[CALENDAR], &format!("# T\n> alice GET /\n< 200\n{wrong}\n")).is_err(),
                "{wrong}"
            );
        }
        assert_eq!(played(&[CALENDAR], "# T\n> alice GET /\n< 200\nAllow: {*}, GET\n\n{*}\n"), Ok(()));
    }

    #[test]
    fn a_captured_value_must_hold_in_the_next_exchange() {
        let twice = format!("{PAPER}{}", PAPER.trim_start_matches("# T\n"));
        assert_eq!(played(&[MULTISTATUS, MULTISTATUS], &twice), Ok(()));
        let then = format!("{PAPER}> alice GET /\n< 200\nETag: \"{{e}}\"\n");
        let fault = played(&[MULTISTATUS, "HTTP/1.1 200 OK\r\nETag: \"2\"\r\n\r\n"], &then).unwrap_err();
        assert!(fault.contains("ETag: \"1\" is expected, \"2\" came"), "{fault}");
    }

    #[test]
    fn requests_are_sent_as_written_with_users_and_captures_put_in() {
        let text = "# T\n> alice GET /\n< 200\nETag: \"{e}\"\n> bob PUT /dav/bob/{e}.ics\nIf-Match: \"{e}\"\n\nBEGIN:X\nEND:X\n< 204\n> - GET /\n< 401\n";
        let transcript = Transcript::parse(Path::new("t.txt"), text).unwrap();
        let answers = &[
            "HTTP/1.1 200 OK\r\nETag: \"e-1\"\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 401 X\r\n\r\n",
        ];
        let (server, heard) = by_rote(answers);
        assert_eq!(play(&transcript, &[server], &Cast::new(7)), Ok(()));
        let heard = heard.join().unwrap();
        assert!(heard[1].starts_with("PUT /dav/bob-0007/e-1.ics HTTP/1.1\r\n"), "{}", heard[1]);
        for line in [
            "X-Forwarded-User: bob-0007\r\n",
            "If-Match: \"e-1\"\r\n",
            "Content-Type: text/calendar; charset=utf-8\r\n",
        ] {
            assert!(heard[1].contains(line), "{}", heard[1]);
        }
        assert!(heard[1].ends_with("\r\n\r\nBEGIN:X\r\nEND:X\r\n"), "{}", heard[1]);
        assert!(!heard[2].contains("X-Forwarded-User"), "{}", heard[2]);
    }

    #[test]
    fn no_answer_and_half_an_answer_are_faults() {
        assert!(played(&[""], "# T\n> alice GET /\n< 200\n").is_err());
        assert!(
            played(&[CUT], "# T\n> alice GET /\n< 200\n\n{*}\n").unwrap_err().contains("middle of a chunk")
        );
    }

    #[test]
    fn blessing_writes_what_came_and_keeps_what_agrees() {
        let text = "# T\n\n> alice PROPFIND /\n< 200\nETag: \"{e}\"\n!Location\n\n<D:multistatus/>\n\n# a remark\n> alice GET /\n< 200\n\n{*}\n";
        let transcript = Transcript::parse(Path::new("t.txt"), text).unwrap();
        let (server, _) = by_rote(&[MULTISTATUS, CALENDAR]);
        let blessed = bless(&transcript, server, &Cast::new(7)).unwrap();
        for part in [
            "< 207\nETag: \"{e}\"\n!Location\n\n<D:multistatus>",
            "<D:href>/dav/alice/</D:href>",
            "\n\n# a remark\n> alice GET /\n< 200\n\n{*}\n",
        ] {
            assert!(blessed.contains(part), "{blessed}");
        }
        assert_eq!(played(&[MULTISTATUS, CALENDAR], &blessed), Ok(()));
    }
}

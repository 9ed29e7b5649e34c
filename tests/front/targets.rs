//! Request targets, octet by octet: what hyper takes, what it hands on, and what is refused before anybody looks at it.

use super::*;

/// What becomes of `GET` with these octets in the middle of its target.
async fn sent(server: &Server, octets: &[u8]) -> Option<Answer> {
    let mut wire = server.connect().await;
    wire.send([b"GET /a", octets, b"b HTTP/1.1\r\nHost: x\r\n\r\n"].concat()).await;
    wire.try_answer().await
}

#[tokio::test]
async fn every_octet_has_one_meaning_or_none() {
    let server = Server::start(|_| ());
    // Not of RFC 3986, but visible, and clients send them: a name as any other.
    let taken = b"\"^{|}\\";
    for octet in 0..=255_u8 {
        let answer = sent(&server, &[octet]).await.expect("an answer");
        let seen = match octet {
            // hyper cuts a fragment off, as a client should have.
            b'#' => Some("GET /a?".to_owned()),
            b'?' => Some("GET /a?b".to_owned()),
            b'%' => None,
            _ if octet.is_ascii_alphanumeric()
                || b"-._~!$&'()*+,;=:@/[]".contains(&octet)
                || taken.contains(&octet) =>
            {
                Some(format!("GET /a{}b?", octet as char))
            }
            _ => None,
        };
        match seen {
            Some(seen) => assert_eq!((answer.status, answer.body), (404, seen)),
            None => assert_eq!(answer.status, 400, "{octet:#04x}"),
        }
    }
}

#[tokio::test]
async fn raw_utf_8_is_refused_and_encoded_utf_8_is_not_decoded() {
    let server = Server::start(|_| ());
    for raw in ["\u{e9}", "\u{2215}", "\u{ff0f}", "\u{202e}", "\u{1f4c5}"] {
        assert_eq!(sent(&server, raw.as_bytes()).await.expect("an answer").status, 400, "{raw}");
    }
    for half in ["%", "%2g", "%zz", "%u002e", "%%30"] {
        assert_eq!(sent(&server, half.as_bytes()).await.expect("an answer").status, 400, "{half}");
    }
    for encoded in ["%c3%a9", "%00", "%2f", "%2e%2e", "%252e", "%c0%ae"] {
        let answer = sent(&server, encoded.as_bytes()).await.expect("an answer");
        assert_eq!((answer.status, answer.body), (404, format!("GET /a{encoded}b?")));
    }
}

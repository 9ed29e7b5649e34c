//! What a request must be before anybody looks at it: the forms that HTTP demands and hyper does not check.

use http::header::{AUTHORIZATION, EXPECT, HOST};
use http::{HeaderMap, Request, Version};

/// What is wrong with the outer form of a request, if something is: the answer is 400.
pub(super) fn fault<B>(request: &Request<B>) -> Option<&'static str> {
    let uri = request.uri();
    let (path, query) = (uri.path(), uri.query().unwrap_or_default());
    if !(path.starts_with('/') || (path == "*" && request.method() == http::Method::OPTIONS)) {
        return Some("the request target is no path");
    }
    if !is_encoded(path) || !is_encoded(query) {
        return Some("the request target has bytes that must be percent-encoded, or a broken encoding");
    }
    // Which of two the proxy has believed, nobody knows here.
    if request.headers().get_all(AUTHORIZATION).iter().count() > 1 {
        return Some("the Authorization header is there twice");
    }
    host_fault(request.version(), request.headers())
}

/// Whether nothing else is expected than to be told to go on: what cannot be met is 417 (RFC 9110 §10.1.1).
pub(super) fn is_met(version: Version, headers: &HeaderMap) -> bool {
    let known = |value: &http::HeaderValue| {
        let mut members = value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        members.all(|member| member.is_empty() || member.eq_ignore_ascii_case(b"100-continue"))
    };
    version < Version::HTTP_11 || headers.get_all(EXPECT).iter().all(known)
}

/// RFC 9112 §3.2: one Host header, no more, and no less in HTTP/1.1; HTTP/2 has `:authority` in its place.
fn host_fault(version: Version, headers: &HeaderMap) -> Option<&'static str> {
    match headers.get_all(HOST).iter().count() {
        0 if version == Version::HTTP_11 => Some("the Host header is missing"),
        0 | 1 => None,
        _ => Some("the Host header is there twice"),
    }
}

/// Visible ASCII, and two hexadecimal digits behind each percent sign.
fn is_encoded(text: &str) -> bool {
    let bytes = text.as_bytes();
    let whole =
        |at: usize| bytes.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
    bytes.iter().enumerate().all(|(at, byte)| byte.is_ascii_graphic() && (*byte != b'%' || whole(at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_visible_and_wholly_encoded() {
        for good in ["/", "/dav/a%40b/%C3%A9.ics", "/a{b}|c", "/%00"] {
            assert!(is_encoded(good), "{good}");
        }
        for bad in ["/%", "/%4", "/%zz", "/%+1", "/\u{e9}", "/a b", "/a\u{7f}"] {
            assert!(!is_encoded(bad), "{bad}");
        }
    }

    #[test]
    fn http_1_1_needs_one_host() {
        let fault = |version, hosts: &[&str]| {
            let mut builder = Request::builder().version(version).uri("/");
            for host in hosts {
                builder = builder.header(HOST, *host);
            }
            super::fault(&builder.body(()).unwrap()).is_some()
        };
        assert!(!fault(Version::HTTP_11, &["a"]));
        assert!(fault(Version::HTTP_11, &[]));
        assert!(fault(Version::HTTP_11, &["a", "a"]));
        assert!(!fault(Version::HTTP_10, &[]));
        assert!(!fault(Version::HTTP_2, &[]));
    }
}

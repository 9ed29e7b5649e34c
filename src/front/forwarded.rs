//! What a trusted proxy tells of the client behind it: its address and the request's id, for logs alone. URLs are
//! built from the settings, never from headers.

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue};

/// The longest id that is taken over.
const LONGEST_ID: usize = 128;

/// The client's address: the last element of X-Forwarded-For, which the proxy itself has added; those before it are
/// whatever the client wrote.
pub(super) fn client(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
    last.rsplit(',').next()?.trim().parse().ok()
}

/// What the proxy says of the trace that the request belongs to (W3C Trace Context): `traceparent`, and `tracestate` in one.
pub(super) fn trace(headers: &HeaderMap) -> (Option<&str>, String) {
    let mut parents = headers.get_all("traceparent").iter();
    let parent = parents.next().filter(|_| parents.next().is_none());
    let states = headers.get_all("tracestate").iter().filter_map(|state| state.to_str().ok());
    (parent.and_then(|parent| parent.to_str().ok()), states.collect::<Vec<_>>().join(","))
}

/// The id the proxy gave the request, if it is one visible word.
pub(super) fn id(headers: &HeaderMap) -> Option<String> {
    let mut sent = headers.get_all("x-request-id").iter();
    let id = sent.next().filter(|id| !id.is_empty() && id.len() <= LONGEST_ID);
    let word = |id: &HeaderValue| id.as_bytes().iter().all(u8::is_ascii_graphic);
    let id = id.filter(|id| sent.next().is_none() && word(id))?;
    id.to_str().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_last_address_is_the_one_the_proxy_saw() {
        let seen = |values: &[&str]| client(&headers("x-forwarded-for", values)).map(|ip| ip.to_string());
        assert_eq!(seen(&["6.6.6.6, 10.0.0.9"]).as_deref(), Some("10.0.0.9"));
        assert_eq!(seen(&["2001:db8::1"]).as_deref(), Some("2001:db8::1"));
        assert_eq!(seen(&["10.0.0.9, evil"]), None);
        assert_eq!(seen(&[]), None);
    }

    #[test]
    fn an_id_is_one_visible_word() {
        let taken = |values: &[&str]| id(&headers("x-request-id", values));
        assert_eq!(taken(&["abc-123"]).as_deref(), Some("abc-123"));
        for bad in [&["a b"][..], &[""], &["a", "b"], &[&"x".repeat(129)]] {
            assert_eq!(taken(bad), None, "{bad:?}");
        }
    }
}

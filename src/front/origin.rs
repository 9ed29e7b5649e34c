//! Which web pages may ask: pages of the configured origins are told so (Fetch Standard §3.2, CORS), and what changes
//! something is refused when a page of any other site sends it, for browsers add the sign-in by themselves.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, HOST, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::config;
use crate::front::message::{Response, vary};

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What a page may send, besides what every page may.
const SENDS: &str = "Accept, Authorization, Brief, CalDAV-Timezones, Content-Type, Depth, Destination, If, If-Match, \
    If-Modified-Since, If-None-Match, If-Range, If-Schedule-Tag-Match, If-Unmodified-Since, Lock-Token, Overwrite, Prefer, \
    Range, Schedule-Reply, Timeout, X-Client, X-MobileMe-DAV-Options, X-Requested-With";

/// What a page may read, besides what every page may.
const READS: &str = "Accept-Encoding, Accept-Ranges, Allow, CTag, Content-Disposition, Content-Encoding, Content-Location, \
    Content-Range, DAV, ETag, Home-CTag, Link, Location, Lock-Token, \
    Preference-Applied, Retry-After, Schedule-Tag, Sync-Token, WWW-Authenticate, X-Request-Id";

/// Seconds for which a browser may remember a preflight; none remembers longer than two hours.
const MAX_AGE: &str = "7200";

/// Methods that change nothing, so that a page of another site gains nothing by them: it cannot read the answer.
const SAFE: &[&str] = &["GET", "HEAD", "OPTIONS", "PROPFIND", "REPORT", "SEARCH"];

/// Whether a method changes nothing.
#[must_use]
pub fn is_safe(method: &str) -> bool {
    SAFE.contains(&method)
}

/// The pages the settings name, and the address of the site itself.
#[derive(Debug)]
pub(super) struct Origins {
    granted: Vec<config::Origin>,
    public: Option<config::Origin>,
}

/// What the answer to one request tells the page that asked.
#[derive(Debug)]
pub(super) struct Grant {
    /// The page's origin, if the settings name it.
    origin: Option<HeaderValue>,
    /// Whether the answer depends on it at all.
    varies: bool,
}

impl Origins {
    pub(super) fn new(server: &config::Server) -> Self {
        Self { granted: server.cors_origins.clone(), public: server.public_url.clone() }
    }

    /// What the answer must tell.
    pub(super) fn grant(&self, headers: &HeaderMap) -> Grant {
        let origin = one(headers, &ORIGIN).filter(|sent| self.is_granted(sent.as_bytes()));
        Grant { origin: origin.cloned(), varies: !self.granted.is_empty() }
    }

    fn is_granted(&self, origin: &[u8]) -> bool {
        self.granted.iter().any(|granted| granted.as_str().as_bytes() == origin)
    }

    /// The answer to a browser that asks, before it signs anybody in, whether a granted page may send a request.
    pub(super) fn preflight(&self, head: &Parts, methods: impl FnOnce() -> String) -> Option<Response> {
        let asks = head.method == Method::OPTIONS
            && head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
            && self.grant(&head.headers).origin.is_some();
        let answer = || {
            Response::new(StatusCode::NO_CONTENT)
                .with(ACCESS_CONTROL_ALLOW_METHODS, methods())
                .with(ACCESS_CONTROL_ALLOW_HEADERS, SENDS)
                .with(ACCESS_CONTROL_MAX_AGE, MAX_AGE)
                .with(VARY, "Access-Control-Request-Method, Access-Control-Request-Headers")
        };
        asks.then(answer)
    }

    /// Whether a page of another site sends something that may change what is here. Native programs say nothing of pages, or
    /// name the site they talk to.
    pub(super) fn is_forged(&self, head: &Parts) -> bool {
        if is_safe(head.method.as_str()) {
            return false;
        }
        let sites: Vec<&[u8]> = head.headers.get_all(SITE).iter().map(HeaderValue::as_bytes).collect();
        let origins = head.headers.get_all(ORIGIN).iter().count();
        let origin = one(&head.headers, &ORIGIN).map(HeaderValue::as_bytes);
        match (sites.as_slice(), origins, origin) {
            // The browser has seen where the page is from, and no page can write this header; or nobody speaks of pages.
            ([b"same-origin" | b"none"], 0 | 1, _) | ([], 0, _) => false,
            (_, 1, Some(origin)) => !self.is_granted(origin) && !self.is_own(origin, head),
            _ => true,
        }
    }

    /// Whether that is this site: what the settings call it, or the host that was asked.
    fn is_own(&self, origin: &[u8], head: &Parts) -> bool {
        let Ok(origin) = std::str::from_utf8(origin) else { return false };
        let Some((scheme, authority)) = origin.split_once("://") else { return false };
        // Pages are of the web; a browser's extensions and native programs are nobody's page.
        if scheme != "http" && scheme != "https" {
            return true;
        }
        if let Some(public) = self.public.as_ref().filter(|public| public.authority() == authority) {
            return public.as_str() == origin;
        }
        let host = one(&head.headers, &HOST).map(HeaderValue::as_bytes);
        let host = host.or_else(|| head.uri.authority().map(|authority| authority.as_str().as_bytes()));
        host.is_some_and(|host| host.eq_ignore_ascii_case(authority.as_bytes()))
    }
}

impl Grant {
    /// Whether a browser says that a page asks which may not read the answer.
    pub(super) fn is_refused(&self, headers: &HeaderMap) -> bool {
        let foreign = |site: &HeaderValue| !matches!(site.as_bytes(), b"same-origin" | b"none");
        self.origin.is_none() && headers.get_all(SITE).iter().any(foreign)
    }

    /// The answer as the page may read it.
    pub(super) fn dress(self, headers: &mut HeaderMap) {
        if self.varies {
            vary(headers, "Origin");
        }
        if let Some(origin) = self.origin {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(READS));
        }
    }
}

/// The header, if it is there once.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(method: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().method(method).uri("/dav/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn origins(granted: &[&str], public: Option<&str>) -> Origins {
        let granted = granted.iter().map(|text| text.parse().unwrap()).collect();
        Origins { granted, public: public.map(|text| text.parse().unwrap()) }
    }

    #[test]
    fn a_page_of_another_site_changes_nothing() {
        let site = origins(&["https://app.example.org"], Some("https://cal.example.org"));
        let forged = |method: &str, headers: &[(&str, &str)]| {
            let headers: Vec<_> = headers.iter().copied().chain([("host", "cal.example.org")]).collect();
            site.is_forged(&head(method, &headers))
        };
        let fine: [&[(&str, &str)]; 10] = [
            &[],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "same-origin")],
            &[("sec-fetch-mode", "cors")],
            &[("origin", "https://cal.example.org")],
            &[("origin", "https://app.example.org"), ("sec-fetch-site", "same-site")],
            &[("origin", "https://app.example.org")],
            // Thunderbird names the address it was given, whatever the site calls itself.
            &[("origin", "http://other.name"), ("sec-fetch-site", "same-origin")],
            &[("origin", "moz-extension://2f1c")],
            &[("origin", "null"), ("sec-fetch-site", "same-origin")],
        ];
        for headers in fine {
            assert!(!forged("POST", headers), "{headers:?}");
        }
        let bad: [&[(&str, &str)]; 12] = [
            &[("origin", "https://evil.example")],
            &[("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")],
            &[("origin", "null")],
            &[("origin", "")],
            &[("origin", "http://cal.example.org")],
            &[("origin", "https://cal.example.org.evil.example")],
            &[("origin", "https://cal.example.org:8443")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("origin", "https://cal.example.org"), ("origin", "https://evil.example")],
            &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
            &[("origin", "https://app.example.org"), ("origin", "https://app.example.org")],
        ];
        for headers in bad {
            for method in ["POST", "PUT", "DELETE", "PROPPATCH", "MKCALENDAR", "FOO"] {
                assert!(forged(method, headers), "{method} {headers:?}");
            }
            assert!(!forged("PROPFIND", headers), "{headers:?}");
        }
    }

    #[test]
    fn without_a_public_address_the_host_is_the_site() {
        let site = origins(&[], None);
        let with = |origin| site.is_forged(&head("PUT", &[("origin", origin), ("host", "127.0.0.1:8008")]));
        assert!(!with("http://127.0.0.1:8008"));
        assert!(with("http://127.0.0.1:9000"));
        let other = origins(&[], Some("https://cal.example.org"));
        assert!(!other.is_forged(&head(
            "PUT",
            &[("origin", "https://alias.example:444"), ("host", "Alias.example:444")]
        )));
    }

    #[test]
    fn origins_are_granted_exactly() {
        let site = origins(&["https://app.example.org"], None);
        let preflight = |origin| {
            let asks = [("origin", origin), ("access-control-request-method", "PROPFIND")];
            site.preflight(&head("OPTIONS", &asks), String::new).is_some()
        };
        assert!(preflight("https://app.example.org"));
        for other in [
            "http://app.example.org",
            "https://app.example.org:444",
            "https://APP.example.org",
            "null",
            "*",
            "",
        ] {
            assert!(!preflight(other), "{other}");
        }
        let plain = head("OPTIONS", &[("origin", "https://app.example.org")]);
        assert!(site.preflight(&plain, String::new).is_none());
        assert!(!origins(&[], None).grant(&HeaderMap::new()).varies);
    }
}

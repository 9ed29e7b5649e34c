//! THE TABLE of what is tried: what is sent, how the answer is judged, and the cure in the words of Apache and of nginx.

use super::judge::Judge;
use super::known::Known;
use super::sends::{self, Talk};
use super::{clients, forge, judge, works};

/// What a row is about; the order of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Who is believed to be whom.
    Identity,
    /// What becomes of paths and names on their way.
    Paths,
    /// What real clients would meet.
    Clients,
    /// Sizes and forms of bodies.
    Limits,
    /// The ways in.
    Transport,
}

/// What a row cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    Nothing,
    /// Credentials, whether they are good or not.
    Credentials,
    /// Credentials that lead to a principal.
    User,
    /// The calendar that writing is tried in.
    Calendar,
    /// HTTP/2, which is spoken over TLS alone.
    Tls,
    /// The settings file of kalends.
    Settings,
}

/// A row.
pub(super) struct Attack {
    pub(super) group: Group,
    /// Its name in reports, and in lists of seeded faults.
    pub(super) name: &'static str,
    /// What is true where nothing is found.
    pub(super) holds: &'static str,
    pub(super) needs: Needs,
    pub(super) sends: fn(&Known) -> Vec<Talk>,
    pub(super) judge: Judge,
    pub(super) apache: &'static str,
    pub(super) nginx: &'static str,
}

/// The row that makes the calendar which later rows need.
pub(super) const MAKES_CALENDAR: &str = "mkcalendar";

/// The row that makes the object which later rows look at.
pub(super) const MAKES_OBJECT: &str = "put";

/// All of it, in the order it is done: what might slow further sign-ins down comes last.
pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        group: Group::Identity,
        name: "signed-in",
        holds: "who signs in is known to kalends, on every base path",
        needs: Needs::Credentials,
        sends: sends::base_paths,
        judge: works::signed_in,
        apache: "<Location BASE> needs a ProxyPass to kalends and both of: RequestHeader set X-Forwarded-User \"expr=%{REMOTE_USER}\" and RequestHeader set X-Kalends-Secret \"…\"",
        nginx: "location BASE needs a proxy_pass to kalends and the whole header set (include kalends-headers.conf): proxy_set_header X-Forwarded-User $kalends_user; proxy_set_header X-Kalends-Secret \"…\"; a location with a proxy_set_header of its own inherits none",
    },
    Attack {
        group: Group::Identity,
        name: "anonymous",
        holds: "nothing is served without credentials",
        needs: Needs::Nothing,
        sends: forge::nobody,
        judge: judge::strangers,
        apache: "AuthType and Require valid-user in the <Location> of that path; no Require all granted, no Satisfy any, no fixed name in RequestHeader set X-Forwarded-User",
        nginx: "auth_request or auth_basic in the location of that path (no `off`), and proxy_set_header X-Forwarded-User from the verdict, never a fixed name",
    },
    Attack {
        group: Group::Identity,
        name: "forged-user",
        holds: "a name that the client sends in the user header is not believed",
        needs: Needs::Nothing,
        sends: forge::user_header,
        judge: judge::impostors,
        apache: "RequestHeader unset X-Forwarded-User early (in the server), then RequestHeader set X-Forwarded-User \"expr=%{REMOTE_USER}\" in every <Location> that is handed on",
        nginx: "proxy_set_header X-Forwarded-User $kalends_user; in every location with a proxy_pass (include kalends-headers.conf): a location with any proxy_set_header of its own inherits none of the server's",
    },
    Attack {
        group: Group::Identity,
        name: "lookalike-headers",
        holds: "names like X_Forwarded_User do not get through",
        needs: Needs::Nothing,
        sends: forge::lookalikes,
        judge: judge::impostors,
        apache: "RequestHeader unset X_Forwarded_User early, and the same for each identity header with `_` and `.`: Apache hands such names on",
        nginx: "underscores_in_headers off; ignore_invalid_headers on; (both are the defaults: remove what changes them)",
    },
    Attack {
        group: Group::Identity,
        name: "near-lookalikes",
        holds: "names like X-Forwarded_User are not believed",
        needs: Needs::Nothing,
        sends: forge::near_lookalikes,
        judge: judge::believed,
        apache: "RequestHeader unset NAME early for that name, and identity.header of kalends as the proxy sets it",
        nginx: "underscores_in_headers off; ignore_invalid_headers on; (both are the defaults: remove what changes them)",
    },
    Attack {
        group: Group::Identity,
        name: "foreign-headers",
        holds: "Remote-User, OIDC_CLAIM_…, Forwarded and X-Original-URL of a client mean nothing",
        needs: Needs::Nothing,
        sends: forge::other_names,
        judge: judge::impostors,
        apache: "RequestHeader unset NAME early for that header, and identity.header of kalends as the proxy sets it",
        nginx: "proxy_set_header NAME \"\"; for that header in kalends-headers.conf, and identity.header of kalends as the proxy sets it",
    },
    Attack {
        group: Group::Identity,
        name: "bent-lines",
        holds: "header lines that are no HTTP bring no name",
        needs: Needs::Nothing,
        sends: forge::bent_lines,
        judge: judge::impostors,
        apache: "HttpProtocolOptions Strict (the default), and RequestHeader unset X-Forwarded-User early",
        nginx: "ignore_invalid_headers on; (the default) and proxy_set_header X-Forwarded-User $kalends_user; in every location",
    },
    Attack {
        group: Group::Identity,
        name: "connection-header",
        holds: "`Connection: X-Forwarded-User` takes nothing away that the proxy says",
        needs: Needs::User,
        sends: forge::connection,
        judge: judge::impostors,
        apache: "RequestHeader unset Connection in each <Location> that is handed on (not `early`): Apache removes what the client's Connection names, its own headers too",
        nginx: "proxy_set_header Connection \"\"; in kalends-headers.conf, never $http_connection",
    },
    Attack {
        group: Group::Identity,
        name: "http-1.0",
        holds: "HTTP/1.0 is no way around",
        needs: Needs::Nothing,
        sends: forge::http10,
        judge: judge::impostors,
        apache: "the same Require and RequestHeader lines in every <VirtualHost> that answers, the default one too",
        nginx: "the same location blocks in every server block that answers, the default_server too",
    },
    Attack {
        group: Group::Identity,
        name: "http-2",
        holds: "HTTP/2 is no way around",
        needs: Needs::Tls,
        sends: forge::http2,
        judge: judge::impostors,
        apache: "RequestHeader unset X-Forwarded-User early, and RequestHeader set … in every <Location>",
        nginx: "proxy_set_header X-Forwarded-User $kalends_user; in every location with a proxy_pass",
    },
    Attack {
        group: Group::Identity,
        name: "kept-alive",
        holds: "a second request on a connection does not inherit the first one's name",
        needs: Needs::User,
        sends: forge::kept_alive,
        judge: judge::impostors,
        apache: "no authentication by connection: no NTLM and no `AuthType … PersistentAuth` in front of kalends; Require valid-user for each request",
        nginx: "no ntlm, and no variable that outlives a request (map or set on $connection); auth_request or auth_basic for each request",
    },
    Attack {
        group: Group::Identity,
        name: "two-credentials",
        holds: "two Authorization headers make nobody else",
        needs: Needs::User,
        sends: forge::two_credentials,
        judge: judge::impostors,
        apache: "RequestHeader unset Authorization in the <Location>: kalends must hear the verdict alone",
        nginx: "proxy_set_header Authorization \"\"; in kalends-headers.conf",
    },
    Attack {
        group: Group::Identity,
        name: "forged-mail",
        holds: "e-mail address and name come from the proxy alone",
        needs: Needs::User,
        sends: forge::mail_and_name,
        judge: judge::forged_facts,
        apache: "RequestHeader unset X-Forwarded-Email early, and the same for X-Forwarded-Name; then RequestHeader set from OIDC_CLAIM_email and OIDC_CLAIM_name",
        nginx: "proxy_set_header X-Forwarded-Email $kalends_email; proxy_set_header X-Forwarded-Name $kalends_name; in kalends-headers.conf (\"\" where there is none)",
    },
    Attack {
        group: Group::Identity,
        name: "forged-groups",
        holds: "groups and lasting key come from the proxy alone",
        needs: Needs::User,
        sends: forge::key_and_groups,
        judge: judge::forged_keys,
        apache: "RequestHeader unset X-Forwarded-Groups early, and the same for X-Forwarded-Sub; then RequestHeader set from OIDC_CLAIM_groups and OIDC_CLAIM_sub",
        nginx: "proxy_set_header X-Forwarded-Groups $kalends_groups; proxy_set_header X-Forwarded-Sub $kalends_sub; in kalends-headers.conf (\"\" where there is none)",
    },
    Attack {
        group: Group::Identity,
        name: "forged-secret",
        holds: "the proxy's secret is the proxy's alone",
        needs: Needs::User,
        sends: forge::secret,
        judge: judge::impostors,
        apache: "RequestHeader unset X-Kalends-Secret early, then RequestHeader set (not add, append or setifempty) X-Kalends-Secret \"…\" in the <Location>",
        nginx: "proxy_set_header X-Kalends-Secret \"…\"; in kalends-headers.conf",
    },
    Attack {
        group: Group::Identity,
        name: "forged-id",
        holds: "request ids in the log are the proxy's",
        needs: Needs::User,
        sends: forge::request_id,
        judge: judge::forged_id,
        apache: "RequestHeader unset X-Request-Id early, then RequestHeader set X-Request-Id \"%{UNIQUE_ID}e\" (mod_unique_id)",
        nginx: "proxy_set_header X-Request-Id $request_id; in kalends-headers.conf",
    },
    Attack {
        group: Group::Identity,
        name: "smuggling",
        holds: "a body with two ends brings no second request",
        needs: Needs::User,
        sends: forge::smuggled,
        judge: judge::impostors,
        apache: "HttpProtocolOptions Strict (the default) and a current Apache",
        nginx: "proxy_http_version 1.1; and a current nginx",
    },
    Attack {
        group: Group::Identity,
        name: "trace",
        holds: "TRACE tells nothing",
        needs: Needs::Credentials,
        sends: forge::trace,
        judge: judge::echoes,
        apache: "TraceEnable Off",
        nginx: "nginx itself answers 405: look for a location that lets TRACE through to another server",
    },
    Attack {
        group: Group::Identity,
        name: "own-listeners",
        holds: "kalends itself believes nobody but the proxy",
        needs: Needs::Settings,
        sends: forge::own_listeners,
        judge: judge::own_doors,
        apache: "not the proxy but kalends: server.listen = [\"unix:/run/kalends/kalends.sock\"], or identity.secret (16 characters or more) together with RequestHeader set X-Kalends-Secret \"…\"",
        nginx: "not the proxy but kalends: server.listen = [\"unix:/run/kalends/kalends.sock\"], or identity.secret (16 characters or more) together with proxy_set_header X-Kalends-Secret \"…\";",
    },
    Attack {
        group: Group::Paths,
        name: "path-confusion",
        holds: "no path leads from an open place into the calendars",
        needs: Needs::Nothing,
        sends: forge::confusion,
        judge: judge::impostors,
        apache: "AllowEncodedSlashes NoDecode, and no ProxyPass to kalends in a <Location> without Require valid-user; what is open for other services must not lead to kalends' socket",
        nginx: "no proxy_pass to kalends in a location without auth_request; nginx chooses the location by the decoded path and hands the raw one on, so an open location must clear X-Forwarded-User (include kalends-headers.conf)",
    },
    Attack {
        group: Group::Paths,
        name: "foreign-hosts",
        holds: "another Host, none, or a whole URL as the target changes nothing",
        needs: Needs::Nothing,
        sends: forge::foreign_hosts,
        judge: judge::impostors,
        apache: "the same Require and RequestHeader lines in every <VirtualHost> that answers; a first <VirtualHost _default_> that serves nothing",
        nginx: "the same location blocks in every server that answers; a `listen … default_server` with return 421 for unknown hosts",
    },
    Attack {
        group: Group::Paths,
        name: "discovery",
        holds: "/.well-known/caldav leads to kalends, without a password and by its public name",
        needs: Needs::Nothing,
        sends: sends::discovery,
        judge: works::discovery,
        apache: "RedirectMatch 301 ^/\\.well-known/caldav/?$ /dav/ outside of any Require, or hand it on to kalends; https in it comes from server.public_url and from ServerName https://…",
        nginx: "location ~ ^/\\.well-known/caldav/?$ { return 301 /dav/; } with absolute_redirect off; without auth_request",
    },
    Attack {
        group: Group::Paths,
        name: "roots",
        holds: "/ and /principals/ answer a signed-in PROPFIND, as Apple's clients ask",
        needs: Needs::User,
        sends: sends::roots,
        judge: works::served,
        apache: "ProxyPass for PROPFIND and OPTIONS on / and /principals/ with the same Require and RequestHeader lines as BASE",
        nginx: "location = / and location /principals/ with the same include and proxy_pass as BASE",
    },
    Attack {
        group: Group::Paths,
        name: "redirects",
        holds: "collections answer at their own URLs",
        needs: Needs::User,
        sends: sends::collections,
        judge: works::unmoved,
        apache: "no Redirect, RewriteRule [R] or DirectorySlash on the paths of kalends",
        nginx: "no return, rewrite … redirect or automatic 301 on the paths of kalends; locations end in a slash as the paths do",
    },
    Attack {
        group: Group::Paths,
        name: "public-names",
        holds: "answers bear the public name",
        needs: Needs::User,
        sends: sends::collections,
        judge: works::names,
        apache: "set server.public_url of kalends to the address of the <VirtualHost>, as clients type it",
        nginx: "set server.public_url of kalends to the address of the server, as clients type it; proxy_redirect off;",
    },
    Attack {
        group: Group::Paths,
        name: "encoded-slash",
        holds: "%2F arrives as it was sent",
        needs: Needs::User,
        sends: sends::encoded_slash,
        judge: works::slash_kept,
        apache: "AllowEncodedSlashes NoDecode (in the <VirtualHost>) and `nocanon` behind the ProxyPass",
        nginx: "proxy_pass http://kalends; without a path behind the name: with one nginx decodes the path",
    },
    Attack {
        group: Group::Paths,
        name: "query",
        holds: "the query arrives as it was sent",
        needs: Needs::User,
        sends: sends::query,
        judge: works::query_kept,
        apache: "ProxyPass … nocanon instead of a RewriteRule [P]; [QSA,NE] if it must be one",
        nginx: "proxy_pass http://kalends; without $uri or a rewrite, which drop the query",
    },
    Attack {
        group: Group::Clients,
        name: "first-requests",
        holds: "a first request without a password is answered 401, no redirect to a login page",
        needs: Needs::Nothing,
        sends: clients::unsigned,
        judge: works::first_answers,
        apache: "the Basic branch of deploy/apache/kalends.conf: AuthType openid-connect only for GET and HEAD with Accept: text/html; OIDCUnAuthAction 401 for the rest",
        nginx: "error_page 401 to the login page only for GET and HEAD with Accept: text/html (map $interactive in deploy/nginx/kalends.conf); return 401 for the rest",
    },
    Attack {
        group: Group::Clients,
        name: "challenge",
        holds: "the 401 asks for a password",
        needs: Needs::Nothing,
        sends: clients::unsigned,
        judge: works::challenges,
        apache: "AuthType Basic and AuthName in the branch for native clients; OIDCUnAuthAction 401 alone sends no challenge",
        nginx: "add_header WWW-Authenticate 'Basic realm=\"kalends\"' always; where the 401 is made, and no proxy_hide_header WWW-Authenticate",
    },
    Attack {
        group: Group::Clients,
        name: "web-pages",
        holds: "fetch() without a session is answered 401, no login page",
        needs: Needs::Nothing,
        sends: clients::pages,
        judge: works::page_answers,
        apache: "OIDCUnAuthAction 401 where Sec-Fetch-Mode is not navigate",
        nginx: "let $interactive also ask for Sec-Fetch-Mode: navigate",
    },
    Attack {
        group: Group::Clients,
        name: "signed-requests",
        holds: "the first requests of every client are served once it is signed in",
        needs: Needs::User,
        sends: clients::signed,
        judge: works::served,
        apache: "no <Limit>, ErrorDocument, Header set DAV, ForceType or rule by User-Agent on the paths of kalends",
        nginx: "no limit_except, error_page, return, proxy_hide_header DAV or default_type on the paths of kalends",
    },
    Attack {
        group: Group::Clients,
        name: "methods",
        holds: "every method gets through",
        needs: Needs::Credentials,
        sends: sends::methods,
        judge: works::methods,
        apache: "no <LimitExcept>, AllowMethods or RewriteCond %{REQUEST_METHOD} that leaves out PROPFIND, PROPPATCH, REPORT, MKCALENDAR, MKCOL, PUT and DELETE",
        nginx: "no limit_except (it does not even know REPORT and MKCALENDAR), and a method map with PROPFIND, PROPPATCH, REPORT, MKCALENDAR, MKCOL, PUT and DELETE",
    },
    Attack {
        group: Group::Clients,
        name: "depth",
        holds: "Depth arrives",
        needs: Needs::Credentials,
        sends: sends::depths,
        judge: works::depth_kept,
        apache: "no RequestHeader unset or set Depth",
        nginx: "no proxy_set_header Depth, and no proxy_pass_request_headers off",
    },
    Attack {
        group: Group::Clients,
        name: "prefer",
        holds: "Prefer and Brief arrive",
        needs: Needs::User,
        sends: sends::prefer,
        judge: works::prefer_kept,
        apache: "no RequestHeader unset Prefer or Brief",
        nginx: "no proxy_set_header Prefer or Brief, and no proxy_pass_request_headers off",
    },
    Attack {
        group: Group::Clients,
        name: "cookies",
        holds: "calendar clients are given no cookies",
        needs: Needs::User,
        sends: sends::plain_question,
        judge: works::no_cookies,
        apache: "sessions only in the openid-connect branch (deploy/apache/kalends.conf), or Header unset Set-Cookie for requests without one",
        nginx: "proxy_hide_header Set-Cookie; and no auth_request_set $cookie … add_header Set-Cookie for Basic and Bearer",
    },
    Attack {
        group: Group::Limits,
        name: MAKES_CALENDAR,
        holds: "a calendar can be made",
        needs: Needs::User,
        sends: sends::mkcalendar,
        judge: works::done,
        apache: "no <LimitExcept> or AllowMethods without MKCALENDAR",
        nginx: "MKCALENDAR in the method map; no limit_except",
    },
    Attack {
        group: Group::Limits,
        name: MAKES_OBJECT,
        holds: "an event can be stored",
        needs: Needs::Calendar,
        sends: sends::put_object,
        judge: works::done,
        apache: "no <LimitExcept> or AllowMethods without PUT",
        nginx: "PUT in the method map; no limit_except",
    },
    Attack {
        group: Group::Limits,
        name: "put-empty",
        holds: "an empty body is refused by kalends",
        needs: Needs::Calendar,
        sends: sends::put_nothing,
        judge: works::refused_in_xml,
        apache: "no ErrorDocument or ProxyErrorOverride On for kalends",
        nginx: "no proxy_intercept_errors on for kalends",
    },
    Attack {
        group: Group::Limits,
        name: "put-large",
        holds: "an event of calendar.max_resource_size can be stored",
        needs: Needs::Calendar,
        sends: sends::put_most,
        judge: works::done,
        apache: "LimitRequestBody above limits.body_bytes of kalends (0 is without limit)",
        nginx: "client_max_body_size above limits.body_bytes of kalends: 25m for its default of 20 MiB",
    },
    Attack {
        group: Group::Limits,
        name: "put-too-large",
        holds: "a larger one is refused by kalends in XML",
        needs: Needs::Calendar,
        sends: sends::put_too_much,
        judge: works::refused_in_xml,
        apache: "LimitRequestBody above limits.body_bytes of kalends (0 is without limit); no ErrorDocument or ProxyErrorOverride On",
        nginx: "client_max_body_size above limits.body_bytes of kalends: 25m for its default of 20 MiB; no proxy_intercept_errors on",
    },
    Attack {
        group: Group::Limits,
        name: "xml-large",
        holds: "an XML body of 2 MiB is read",
        needs: Needs::User,
        sends: sends::xml_most,
        judge: works::served,
        apache: "LimitRequestBody above limits.body_bytes of kalends (0 is without limit)",
        nginx: "client_max_body_size above limits.body_bytes of kalends: 25m for its default of 20 MiB",
    },
    Attack {
        group: Group::Limits,
        name: "put-chunked",
        holds: "a body in chunks is stored",
        needs: Needs::Calendar,
        sends: sends::put_chunked,
        judge: works::done,
        apache: "no SetEnv proxy-sendcl or downgrade to HTTP/1.0 (force-proxy-request-1.0)",
        nginx: "proxy_http_version 1.1; and chunked_transfer_encoding on; (the default)",
    },
    Attack {
        group: Group::Limits,
        name: "put-expecting",
        holds: "Expect: 100-continue is answered",
        needs: Needs::Calendar,
        sends: sends::put_expecting,
        judge: works::expected,
        apache: "no RequestHeader unset Expect early, and a proxy before this one that speaks HTTP/1.1",
        nginx: "proxy_http_version 1.1; and a proxy before this one that speaks HTTP/1.1",
    },
    Attack {
        group: Group::Limits,
        name: "long-token",
        holds: "an Authorization header of 6,000 characters is read",
        needs: Needs::Nothing,
        sends: sends::long_token,
        judge: works::read_whole,
        apache: "LimitRequestFieldSize 16380",
        nginx: "large_client_header_buffers 4 16k;",
    },
    Attack {
        group: Group::Paths,
        name: "encoded-names",
        holds: "percent-encoded names arrive as they were sent",
        needs: Needs::Calendar,
        sends: sends::encoded_names,
        judge: works::names_kept,
        apache: "AllowEncodedSlashes NoDecode (in the <VirtualHost>) and `nocanon` behind the ProxyPass",
        nginx: "proxy_pass http://kalends; without a path behind the name, and no rewrite ^ $request_uri",
    },
    Attack {
        group: Group::Paths,
        name: "public-urls",
        holds: "kalends knows its public name in Destination and in hrefs",
        needs: Needs::Calendar,
        sends: sends::public_names,
        judge: works::public_name_known,
        apache: "ProxyPreserveHost On, or server.public_url of kalends",
        nginx: "proxy_set_header Host $http_host; or server.public_url of kalends",
    },
    Attack {
        group: Group::Clients,
        name: "entity-tags",
        holds: "entity tags and objects come out as kalends made them",
        needs: Needs::Calendar,
        sends: sends::entity_tags,
        judge: works::tags_kept,
        apache: "SetEnv no-gzip 1 and SetEnv no-brotli 1 on the paths of kalends (or DeflateAlterETag NoChange in the server)",
        nginx: "gzip off; (and brotli off;) in the locations of kalends",
    },
    Attack {
        group: Group::Clients,
        name: "conditions",
        holds: "If-Match, If-None-Match and If arrive",
        needs: Needs::Calendar,
        sends: sends::conditions,
        judge: works::conditions_kept,
        apache: "no RequestHeader unset If-Match, If-None-Match or If; no CacheEnable on the paths of kalends",
        nginx: "no proxy_set_header If-Match or If-None-Match, and no proxy_cache (it drops both) in the locations of kalends",
    },
    Attack {
        group: Group::Identity,
        name: "cached",
        holds: "nobody is served what another has read",
        needs: Needs::Calendar,
        sends: forge::cached,
        judge: judge::from_cache,
        apache: "no CacheEnable and no Header set or unset Cache-Control on the paths of kalends",
        nginx: "proxy_cache off; in the locations of kalends; no expires, proxy_ignore_headers Cache-Control or proxy_hide_header Cache-Control",
    },
    Attack {
        group: Group::Transport,
        name: "https",
        holds: "the way to the proxy is encrypted, or does not leave this machine",
        needs: Needs::Nothing,
        sends: sends::plain_question,
        judge: works::encrypted,
        apache: "SSLEngine on in a <VirtualHost *:443>",
        nginx: "listen 443 ssl;",
    },
    Attack {
        group: Group::Transport,
        name: "plain-http",
        holds: "without TLS there is a redirect, or nothing",
        needs: Needs::Nothing,
        sends: sends::without_tls,
        judge: works::not_in_the_clear,
        apache: "<VirtualHost *:80> with nothing but Redirect permanent / https://…/",
        nginx: "a server with listen 80; and nothing but return 301 https://$host$request_uri;",
    },
    Attack {
        group: Group::Transport,
        name: "bare-port",
        holds: "kalends cannot be reached from here without the proxy",
        needs: Needs::Settings,
        sends: forge::bare_port,
        judge: judge::bare_doors,
        apache: "not the proxy but kalends: server.listen on 127.0.0.1 or a Unix socket; a firewall if the proxy is another machine",
        nginx: "not the proxy but kalends: server.listen on 127.0.0.1 or a Unix socket; a firewall if the proxy is another machine",
    },
    Attack {
        group: Group::Transport,
        name: "metrics",
        holds: "metrics and health are not public",
        needs: Needs::Nothing,
        sends: sends::monitor,
        judge: works::private_metrics,
        apache: "no ProxyPass to monitor.listen of kalends (127.0.0.1:9008), or Require ip on it",
        nginx: "no proxy_pass to monitor.listen of kalends (127.0.0.1:9008), or allow and deny on it",
    },
    Attack {
        group: Group::Identity,
        name: "bearer",
        holds: "a token that nobody signed is refused",
        needs: Needs::Nothing,
        sends: forge::bearer,
        judge: judge::impostors,
        apache: "AuthType oauth20 with Require claim aud:kalends and Require claim iss:… within <RequireAll>",
        nginx: "auth_request to a sidecar that verifies the token's signature, iss and aud; never a claim read by a map",
    },
    Attack {
        group: Group::Identity,
        name: "wrong-password",
        holds: "a wrong password is refused everywhere",
        needs: Needs::Nothing,
        sends: forge::password,
        judge: judge::impostors,
        apache: "AuthType Basic with an AuthBasicProvider and Require valid-user in the <Location> of that path",
        nginx: "auth_basic or auth_request in the location of that path: where it is off, $remote_user is what the client says, so send \"\" there instead",
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::Settings;
    use crate::probe::site::Site;

    fn known() -> Known {
        let site = Site::new("https://cal.example.org", None, None).unwrap();
        let mut known = Known::new(&site, Settings::default(), true);
        known.user = Some("alice@example.org".into());
        known.plain = Some(80);
        known
    }

    #[test]
    fn every_row_has_a_name_of_its_own_a_cure_and_something_to_send() {
        let known = known();
        let names: BTreeSet<&str> = ATTACKS.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), ATTACKS.len());
        for row in ATTACKS {
            assert!(row.apache.len() > 10 && row.nginx.len() > 10 && row.holds.len() > 10, "{}", row.name);
            assert!(!(row.sends)(&known).is_empty(), "{} sends nothing", row.name);
        }
    }

    #[test]
    fn nothing_is_written_but_in_the_calendar_that_was_made_for_it() {
        let known = known();
        for row in ATTACKS {
            for message in (row.sends)(&known).iter().flat_map(|talk| &talk.messages) {
                let writes =
                    ["PUT", "DELETE", "MKCALENDAR", "MKCOL", "MOVE", "COPY", "POST", "PROPPATCH", "ACL"];
                let own = message.target.contains("/kalends-check-");
                assert!(own || !writes.contains(&message.method), "{}: {message}", row.name);
            }
        }
    }

    #[test]
    fn a_request_without_credentials_claims_no_name_that_is_free() {
        let known = known();
        for row in ATTACKS.iter().filter(|row| row.name != "wrong-password") {
            for message in (row.sends)(&known).iter().flat_map(|talk| &talk.messages).filter(|m| !m.signed) {
                let user = known.user_header().to_ascii_lowercase();
                let named =
                    message.lines.iter().find(|line| line.to_ascii_lowercase().starts_with(user.as_bytes()));
                let forged = named.is_some_and(|line| line.ends_with(b" kalends-check"));
                assert!(
                    !forged || ["http-2", "kept-alive", "connection-header"].contains(&row.name),
                    "{}: {message}",
                    row.name
                );
            }
        }
    }

    #[test]
    fn the_matrix_is_large() {
        let known = known();
        let all: usize =
            ATTACKS.iter().flat_map(|row| (row.sends)(&known)).map(|talk| talk.messages.len()).sum();
        assert!((600..3000).contains(&all), "{all} requests");
    }

    #[test]
    fn judges_are_the_rows_own() {
        let silent: Judge = judge::impostors;
        assert!(silent(&known(), &[]).is_empty());
    }
}

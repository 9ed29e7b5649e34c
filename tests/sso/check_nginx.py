#!/usr/bin/env python3
"""What only the nginx configuration can get wrong: its text, and what it does when those who know people fail.

usage: check_nginx.py DIR      DIR is that of a site which site.sh has started with nginx; nothing of it is changed, each
                               variant is started beside it, with an echo in kalends' place

Each check is a line; the last says "N passed, N failed".
"""

import base64
import http.client
import json
import os
import re
import shutil
import signal
import socket
import socketserver
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

HERE = Path(__file__).resolve().parent
SHIPPED = HERE.parent.parent / "deploy" / "nginx"
SECRET = "echo-secret-0123456789"
PLACES = ["/dav/", "/api/v1.0/caldav/", "/", "/principals/"]
PAGE = {"Accept": "text/html"}
SESSION = {"Cookie": "mod_auth_openidc_session=x; _oauth2_proxy=x; authelia_session=x"}
FORGED = {
    name: "mallory"
    for name in "X-Forwarded-User X-Forwarded-Sub X-Forwarded-Email X-Forwarded-Name X-Forwarded-Groups X-Forwarded-Token "
    "X-Forwarded-Auth-Type X_Forwarded_Auth_Type X.Forwarded.Auth.Type X-Kalends-Secret X-Auth-User X-Auth-Request-User X-Auth-Request-Preferred-Username Remote-User Remote-Email "
    "X_Forwarded_User X.Forwarded.User X-Remote-User X-Original-URI OIDC-CLAIM-sub".split()
}

passed = failed = 0


def check(name, right, seen=""):
    global passed, failed
    passed, failed = passed + bool(right), failed + (not right)
    print(f"ok   {name}" if right else f"FAIL {name}: {seen}", flush=True)


def basic(user, password=None):
    word = f"{user}:{user + '-secret' if password is None else password}"
    return {"Authorization": "Basic " + base64.b64encode(word.encode()).decode()}


# ---------------------------------------------------------------- parts that stand in for others


class Stand(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Something that answers HTTP at a Unix socket or a port."""

    daemon_threads, allow_reuse_address = True, True

    def __init__(self, address, handler):
        self.address_family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        if isinstance(address, str):
            Path(address).unlink(missing_ok=True)
        super().__init__(address, handler)
        if isinstance(address, str):
            os.chmod(address, 0o666)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self):
        return "nginx"

    def log_message(self, *_):
        pass

    def say(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Echo(Handler):
    """Says what it was asked; /dav/status/N is answered with N and an XML body, as kalends would."""

    asked = 0

    def handle_any(self):
        Echo.asked += 1
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status = re.match(r"/dav/status/(\d+)", self.path)
        if status:
            return self.say(int(status[1]), b"<error xmlns='DAV:'/>", Content_Type="application/xml")
        body = json.dumps({"target": self.path, "headers": [(k.lower(), v) for k, v in self.headers.items()]}).encode()
        self.say(200, body if self.command != "HEAD" else b"", Content_Type="text/calendar", ETag='"e"')

    do_GET = do_HEAD = do_PUT = do_POST = do_OPTIONS = do_PROPFIND = do_REPORT = do_MKCALENDAR = do_ACL = do_PATCH = handle_any


class OAuth2Proxy(Handler):
    """The contract of oauth2-proxy with --set-xauthrequest."""

    def do_GET(self):
        if self.path == "/oauth2/auth":
            if "_oauth2_proxy=x" in self.headers.get("Cookie", "") or self.headers.get("Authorization") == "Bearer good":
                names = {"User": "sub-of-alice", "Preferred_Username": "alice", "Email": "alice@example.com", "Groups": "a,b"}
                says = {f"X_Auth_Request_{name}": value for name, value in names.items()}
                return self.say(202, Set_Cookie="_oauth2_proxy=renewed; Path=/", **says)
            return self.say(401)
        if self.path == "/oauth2/start":
            return self.say(302, Location="https://id.test/?back=" + self.headers["X-Auth-Request-Redirect"])
        return self.say(404)


class Authelia(Handler):
    """The contract of Authelia's AuthRequest endpoint."""

    def do_GET(self):
        if self.path != "/api/authz/auth-request" or not self.headers.get("X-Original-URL", "").startswith("https://"):
            return self.say(403)
        if "authelia_session=x" in self.headers.get("Cookie", ""):
            return self.say(200, Remote_User="alice", Remote_Email="alice@example.com", Remote_Name="Alice", Remote_Groups="a,b")
        return self.say(401, Location="https://id.test/?rd=" + self.headers["X-Original-URL"])


class Hostile(Handler):
    """An endpoint that names nobody, however it is asked."""

    def do_GET(self):
        self.say(200, X_Auth_User="")


# ---------------------------------------------------------------- a site of one variant


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Site:
    """A variant of the shipped nginx with an echo behind it, gone when it is left."""

    def __init__(self, base, variant, signin=None):
        self.dir = Path(tempfile.mkdtemp(prefix="kalends-nginx-"))
        self.dir.chmod(0o755)
        self.env = dict(re.findall(r"^(\w+)=(.*)$", (base / "env").read_text(), re.M))
        for name in ["PROXY_CONF", "RELOAD", "CREDENTIALS", "VARIANT", "API", "CHECK"]:
            self.env.pop(name, None)
        self.env.update(SITE_PORT=str(free_port()), SOCKET=str(self.dir / "kalends.sock"), SECRET=SECRET)
        (self.dir / "env").write_text("".join(f"{name}={value}\n" for name, value in self.env.items()))
        self.variant, self.signin = variant, signin
        self.tls = ssl.create_default_context(cafile=self.env["SITE_CA"])

    def __enter__(self):
        self.echo = Stand(self.env["SOCKET"], Echo)
        self.run("start", self.variant)
        return self

    def __exit__(self, *_):
        self.run("stop")
        self.echo.shutdown()
        self.echo.server_close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def run(self, *words):
        given = {**os.environ, **({"SIGNIN": self.signin} if self.signin else {})}
        subprocess.run([HERE / "nginx.sh", words[0], self.dir, *words[1:]], env=given, check=True)

    def ask(self, method, target, headers=None, body=None):
        """Status, headers in small letters, and the body."""
        line = http.client.HTTPSConnection("localhost", int(self.env["SITE_PORT"]), context=self.tls, timeout=60)
        line.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        line.putheader("Host", f"{self.env['SITE_HOST']}:{self.env['SITE_PORT']}")
        for name, value in (headers or {}).items():
            line.putheader(name, value)
        if body is not None:
            line.putheader("Content-Length", str(len(body)))
        line.endheaders(body)
        answer = line.getresponse()
        told = {}
        for name, value in answer.getheaders():
            told[name.lower()] = f"{told[name.lower()]}\n{value}" if name.lower() in told else value
        got = answer.status, told, answer.read()
        line.close()
        return got

    def kill(self, pid_file):
        """Ends a part of the site."""
        pid = int((self.dir / pid_file).read_text())
        os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + 15
        while time.monotonic() < end and Path(f"/proc/{pid}").exists():
            if "State:\tZ" in Path(f"/proc/{pid}/status").read_text():
                break
            time.sleep(0.05)


def arrived(got):
    """What the echo was told, or nothing if it was not asked."""
    try:
        told = {}
        for name, value in json.loads(got[2])["headers"]:
            told.setdefault(name, []).append(value)
        return told
    except ValueError:
        return {}


def is_nobodys(told):
    """The echo was asked, and told neither who nor how."""
    return told and not {"x-forwarded-user", "x-forwarded-auth-type"} & set(told)


def is_shape(got, code):
    """What pages of the REST service understand, and read across origins."""
    try:
        kind = "server_error" if got[0] >= 500 else "client_error"
        told = json.loads(got[2])
        right = told["type"] == kind and [one["code"] for one in told["errors"]] == [code]
    except (ValueError, KeyError, TypeError):
        return False
    return right and got[1].get("content-type") == "application/json"


def is_plain(got):
    """No HTML page: those hide what calendar programs understand."""
    return b"<html" not in got[2].lower() and "html" not in got[1].get("content-type", "")


# ---------------------------------------------------------------- the text of the configuration


def locations(text):
    """Name and body of each location block."""
    for start in re.finditer(r"^\s*location\s+([^{]*?(?:\{\d[^{]*)?)\s*\{", text, re.M):
        depth, at = 1, start.end()
        while depth:
            depth += {"{": 1, "}": -1}.get(text[at], 0)
            at += 1
        yield start[1], text[start.end() : at - 1]


# The locations at which nobody is asked who they are.
PUBLIC = ["/ical/", r"~ ^/\.well-known/caldav/?$", r"~ ^/api/v1\.0/(?:config|openapi\.json|swagger\.json)/?$", "= /.kalends-judge", "/oidc/", "/oauth2/", "@kalends_401", "@kalends_json_401"]


def the_text():
    whole = (SHIPPED / "kalends.conf").read_text()
    text = re.sub(r"(^|\s)#.*", "", whole)
    found = dict(locations(text))
    check("the text: locations are found", len(found) > 12, list(found))
    for name, body in found.items():
        goes = re.search(r"proxy_pass\s+(\S+);", body)
        if not goes:
            continue
        to_kalends = "judge" not in goes[1] and "signin" not in goes[1] and "login" not in goes[1]
        include = "kalends-headers.conf" if to_kalends else "kalends-signin.conf"
        right = include in body or "proxy_pass_request_headers off" in body
        check(f"the text: location {name} includes {include}", right, body)
        check(f"the text: location {name} passes the path as it was sent", not to_kalends or re.fullmatch(r"http://[$\w]+", goes[1]), goes[1])
        shut = "auth_request off" not in body
        public = name in PUBLIC
        check(f"the text: location {name} is {'public' if public else 'shut'}", shut != public, body)
        check(f"the text: location {name} opens both locks or none", shut == ("auth_basic   off" not in body), body)
    headers = (SHIPPED / "kalends-headers.conf").read_text()
    for name in FORGED:
        covered = f"proxy_set_header {name} " in headers or re.search(r"[_.]", name)
        check(f"the text: the header set covers {name}", covered, "absent")


# ---------------------------------------------------------------- what it does


def who(site, name, user, headers, kind="Basic"):
    """Whoever it is, and however proven, nothing forged arrives, and the secret is the proxy's."""
    for place in [*PLACES, "/dav/calendars/x/y.ics"]:
        got = site.ask("PROPFIND", place, {**FORGED, **headers})
        told = arrived(got)
        right = told.get("x-forwarded-user") == ([user] if user else None) and "mallory" not in str(told)
        how = told.get("x-forwarded-auth-type") == [kind] and ("x-forwarded-sub" in told) <= (kind != "Basic")
        secret = told.get("x-kalends-secret") == [SECRET]
        check(f"{name} at {place} with forged headers", right and how and secret, (got[0], told))


def shut(site, name, cases):
    """None of these is served."""
    before = Echo.asked
    for case, statuses, method, target, headers in cases:
        got = site.ask(method, target, headers)
        check(f"{name}: {case}", got[0] in statuses and is_plain(got), got)
    check(f"{name}: kalends was never asked", Echo.asked == before, Echo.asked - before)


def passwords(site, name):
    who(site, f"{name}: alice's password", "alice", basic("alice"))
    cases = []
    for place in [*PLACES, "/api/v1.0/x", "/dav//x", "//dav/x"]:
        cases.append((f"nobody at {place}", {401}, "PROPFIND", place, FORGED))
        cases.append((f"a wrong password at {place}", {401}, "PROPFIND", place, {**FORGED, **basic("alice", "x")}))
        cases.append((f"an unknown user at {place}", {401}, "PROPFIND", place, basic("mallory")))
    shut(site, name, cases)
    for case, headers in [("nobody", {}), ("a wrong password", basic("alice", "x")), ("Negotiate", {"Authorization": "Negotiate x"})]:
        got = site.ask("PROPFIND", "/dav/", headers)
        # A token does as well, where there is somebody who knows them.
        ways = ['Basic realm="kalends"'] + ['Bearer realm="kalends"'] * (name != "htpasswd")
        right = got[1].get("www-authenticate") == "\n".join(ways) and "location" not in got[1]
        check(f"{name}: {case} is asked for a password, once", got[0] == 401 and right, got)


def paths_and_methods(site):
    cases = [
        (f"{target} is refused", {400}, "GET", target, basic("alice"))
        for target in "/dav/..%2Ftrap /dav/..%2Fical/x /ical/..%2Fdav/ /ical/..%2F..%2Fdav/ /dav/%2e%2e/x /dav/../x /dav/./x "
        "/dav/.%2E%2Fx /dav/x/. /dav/x/%2E%2E /dav/..%5Cx /dav/..\\x /%2e%2e/ /dav/a%2F..%2F..%2Fb /oidc/..%2Fdav/".split()
    ]
    cases += [(f"{method} is refused", {405}, method, "/dav/", basic("alice")) for method in ["FOO", "TRACE", "BIND", "PROPFINDX"]]
    cases += [
        (f"{target} is nothing", {404}, "GET", target, basic("alice"))
        for target in ["/.kalends-judge", "/%2ekalends-judge", "/.kalends-400", "/kalends/whoami", "/ical%2Fx", "/internal/auth/check"]
    ]
    shut(site, "paths", cases)
    got = site.ask("FOO", "/dav/")
    check("paths: a 405 says which methods there are", "REPORT" in got[1].get("allow", ""), got)
    for target in ["/dav/a%2Fb/c%40d.ics", "/dav/a//b", "/dav/..foo", "/dav/.a", "/dav/a..b", "/dav/%C3%A9", "/dav/x?a=/../b", "/dav/a;b"]:
        got = site.ask("GET", target, basic("alice"))
        check(f"paths: {target} arrives as it is", got[0] == 200 and json.loads(got[2])["target"] == target, got)
    for method in ["REPORT", "MKCALENDAR", "ACL"]:
        got = site.ask(method, "/dav/", basic("alice"))
        check(f"paths: {method} arrives", got[0] == 200, got)


def answers(site):
    for status in [400, 401, 403, 404, 405, 413, 500, 502, 503, 504, 507]:
        got = site.ask("GET", f"/dav/status/{status}", basic("alice"))
        check(f"answers: kalends' own {status} comes as it is", (got[0], got[2]) == (status, b"<error xmlns='DAV:'/>"), got)
    got = site.ask("GET", "/dav/x.ics", {**basic("alice"), "Accept-Encoding": "gzip"})
    right = got[1]["etag"] == '"e"' and "content-encoding" not in got[1] and got[1]["content-type"] == "text/calendar"
    check("answers: nothing is compressed or relabelled", right, got)
    got = site.ask("PUT", "/dav/x", basic("alice"), b"x" * (21 << 20))
    check("answers: 21 MiB are kalends' to refuse", got[0] == 200, got[:2])
    got = site.ask("PUT", "/dav/x", {**basic("alice"), "Content-Length": str(40 << 20)})
    check("answers: 40 MiB are refused in plain text", got[0] == 413 and is_plain(got), got)
    got = site.ask("GET", "/dav/x", {**basic("alice"), "X-Long": "x" * 32000})
    check("answers: a header of 32 kB arrives", got[0] == 200, got[:2])
    got = site.ask("GET", "/dav/x", {**basic("alice"), "X-Long": "x" * 60000})
    check("answers: one of 60 kB is refused in plain text", got[0] in (400, 431) and is_plain(got), got)
    the_shape(site)
    for path in ["/dav", "/api/v1.0/caldav"]:
        got = site.ask("PROPFIND", path)
        check(f"answers: {path} leads to {path}/ at the same address", got[0] == 301 and got[1]["location"] == path + "/", got)
    site.echo.shutdown()
    site.echo.server_close()
    got = site.ask("GET", "/dav/", basic("alice"))
    check("answers: without kalends it is 503 with Retry-After", got[0] == 503 and "retry-after" in got[1] and is_plain(got), got)
    site.echo = Stand(site.env["SOCKET"], Echo)


def the_shape(site):
    """Answers of nginx itself in the place of the REST service, which is not there."""
    alice, there = basic("alice"), {"Origin": "https://pages.example.org"}
    for place in ["/api/v1.0/calendars/", "/external_api/v1.0/users/me/"]:
        for name, status, code, method, headers in [
            ("nobody", 401, "not_authenticated", "GET", {}),
            ("a wrong password", 401, "not_authenticated", "GET", basic("alice", "x")),
            ("a page's script", 401, "not_authenticated", "GET", {"Sec-Fetch-Mode": "cors"}),
            ("a method that is none", 405, "method_not_allowed", "BREW", alice),
            ("too much", 413, "too_large", "POST", {**alice, "Content-Length": str(400 << 20)}),
            ("no service", 503, "unavailable", "GET", alice),
        ]:
            got = site.ask(method, place, {**headers, **there})
            check(f"shape: {name} at {place} is {status} in JSON", got[0] == status and is_shape(got, code), got)
            cors = (got[1].get("access-control-allow-origin"), got[1].get("access-control-allow-credentials"))
            check(f"shape: a page that may read it reads {status} at {place}", cors == (there["Origin"], "true"), got)
            got = site.ask(method, place, {**headers, "Origin": "https://evil.example.org"})
            check(f"shape: another does not read {status} at {place}", "access-control-allow-origin" not in got[1], got)
        got = site.ask("GET", place)
        check(f"shape: a program at {place} is asked for a password", "Basic" in got[1].get("www-authenticate", ""), got)
    got = site.ask("PROPFIND", "/api/v1.0/caldav/")
    check("shape: CalDAV has text", got[0] == 401 and got[2] == b"Please sign in.\n", got)


def public(site):
    api = Stand(str(site.dir / "nginx" / "api.sock"), Echo)
    for name, headers in [("nobody", {}), ("a password", basic("alice")), ("a wrong password", basic("root", "x")), ("a session", SESSION)]:
        got = site.ask("GET", "/ical/x.ics", {**FORGED, **headers})
        told = arrived(got)
        check(f"public: {name} at /ical/ is nobody", is_nobodys(told) and "mallory" not in str(told), got)
        got = site.ask("GET", "/.well-known/caldav", {**FORGED, **headers})
        told = arrived(got)
        check(f"public: {name} at /.well-known/caldav is nobody", is_nobodys(told) and "mallory" not in str(told), got)
        for path in ["config", "config/", "openapi.json", "swagger.json/"]:
            got = site.ask("GET", f"/api/v1.0/{path}", {**FORGED, **headers})
            told = arrived(got)
            check(f"public: {name} at /api/v1.0/{path} is nobody", is_nobodys(told) and "mallory" not in str(told), got)
    for path in ["/api/v1.0/x", "/external_api/v1.0/users/me/", "/api/v1.0/openapi.json/x"]:
        got = site.ask("GET", path, {**FORGED, **basic("alice")})
        check(f"public: {path} is not, alice is alice there", arrived(got).get("x-forwarded-user") == ["alice"], got)
        got = site.ask("GET", path, FORGED)
        check(f"public: and nobody is at {path}", got[0] == 401 and is_shape(got, "not_authenticated"), got)
    asks = {"Origin": "https://app.test", "Access-Control-Request-Method": "PROPFIND"}
    told = arrived(site.ask("OPTIONS", "/dav/", {**FORGED, **asks}))
    check("public: a CORS preflight is nobody's", is_nobodys(told) and "mallory" not in str(told), told)
    told = arrived(site.ask("OPTIONS", "/dav/", {**FORGED, **asks, **basic("alice")}))
    check("public: one with a password is hers", told.get("x-forwarded-user") == ["alice"], told)
    for case, method, headers in [("GET", "GET", asks), ("no origin", "OPTIONS", {**asks, "Origin": ""}), ("a wrong password", "OPTIONS", {**asks, **basic("alice", "x")})]:
        got = site.ask(method, "/dav/", headers)
        check(f"public: {case} is no preflight", got[0] == 401, got)
    api.shutdown()
    api.server_close()


def htpasswd(base):
    with Site(base, "htpasswd") as site:
        passwords(site, "htpasswd")
        paths_and_methods(site)
        answers(site)
        public(site)
        cases = [(f"{name} is 401", {401}, "GET", "/dav/", headers) for name, headers in [("a page", PAGE), ("a session", SESSION), ("Bearer", {"Authorization": "Bearer x"})]]
        shut(site, "htpasswd", cases)


def credentials(base):
    with Site(base, "credentials") as site:
        passwords(site, "credentials")
        fault = site.dir / "nginx" / "api.sock.fault"
        expected = {"429": 429, "503": 503, "500": 503, "302": 503, "403": 403, "401": 401, "empty": 403, "slow": 503}
        fault.write_text("subject")
        who(site, "credentials: alice's password with a subject", "alice", basic("alice"), "password")
        told = arrived(site.ask("GET", "/dav/", basic("alice")))
        check("credentials: their subject arrives", told.get("x-forwarded-sub") == ["sub-of-alice"], told)
        for word, status in expected.items():
            fault.write_text(word)
            before = Echo.asked
            got = site.ask("PROPFIND", "/dav/", {**FORGED, **basic("alice")})
            check(f"credentials: their {word} is {status}", got[0] == status and is_plain(got) and Echo.asked == before, got)
            got = site.ask("GET", "/api/v1.0/x", basic("alice"))
            codes = {401: "not_authenticated", 403: "permission_denied", 429: "throttled", 503: "unavailable"}
            check(f"credentials: their {word} is {status} in JSON", got[0] == status and is_shape(got, codes[status]), got)
            if word in ("429", "503"):
                check(f"credentials: their Retry-After comes with {word}", got[1].get("retry-after") == "7", got)
        fault.unlink()
        got = site.ask("PROPFIND", "/dav/", basic("alice"))
        check("credentials: and then they work again", got[0] == 200, got)
        site.kill("nginx/credentials.pid")
        cases = [(f"without them, {place} is 503", {503}, "PROPFIND", place, {**FORGED, **basic("alice")}) for place in PLACES]
        shut(site, "credentials", cases)


def sidecar(base):
    with Site(base, "shipped") as site:
        got = site.ask("GET", "/dav/", PAGE)
        right = got[0] == 302 and got[1]["location"].startswith(site.env["ISSUER"]) and "www-authenticate" not in got[1]
        check("sidecar: a page leads to the provider", right, got)
        site.kill("sidecar/httpd.pid")
        cases = []
        for place in PLACES:
            cases.append((f"without it, a session at {place} is 503", {503}, "PROPFIND", place, {**FORGED, **SESSION}))
            cases.append((f"without it, Bearer at {place} is 503", {503}, "PROPFIND", place, {**FORGED, "Authorization": "Bearer x"}))
            cases.append((f"without it, a page at {place} is 503", {503}, "GET", place, PAGE))
        shut(site, "sidecar", cases)
        who(site, "sidecar: without it, alice's password", "alice", basic("alice"))
        address = re.search(r"server (127[\d.:]+)", (site.dir / "nginx" / "kalends.conf").read_text())[1].split(":")
        nobody = Stand((address[0], int(address[1])), Hostile)
        cases = [(f"a yes without a name at {place} is 403", {403}, "PROPFIND", place, {**FORGED, **SESSION}) for place in PLACES]
        shut(site, "sidecar", cases)
        nobody.shutdown()
        nobody.server_close()


def others(base):
    for variant, handler in [("oauth2-proxy", OAuth2Proxy), ("authelia", Authelia)]:
        port = free_port()
        stand = Stand(("127.0.0.1", port), handler)
        with Site(base, variant, f"127.0.0.1:{port}") as site:
            who(site, f"{variant}: a session", "alice", SESSION, "session")
            who(site, f"{variant}: a password", "bob", basic("bob"))
            told = arrived(site.ask("GET", "/dav/", SESSION))
            right = told.get("x-forwarded-email") == ["alice@example.com"] and told.get("x-forwarded-groups") == ["a,b"]
            check(f"{variant}: address and groups arrive, the cookie does not", right and "cookie" not in told, told)
            got = site.ask("GET", "/dav/?a=b", PAGE)
            check(f"{variant}: a page leads to the login", got[0] == 302 and got[1]["location"].startswith("https://id.test/"), got)
            check(f"{variant}: and back to itself", got[1].get("location", "").endswith("/dav/?a=b"), got)
            got = site.ask("PROPFIND", "/dav/", {"Cookie": "other=1"})
            check(f"{variant}: a program is asked for a password", got[0] == 401 and "Basic" in got[1].get("www-authenticate", ""), got)
            shut(site, variant, [("a wrong token", {401}, "GET", "/dav/", {**FORGED, "Authorization": "Bearer x"})])
            if variant == "oauth2-proxy":
                who(site, f"{variant}: a token", "alice", {"Authorization": "Bearer good"}, "bearer")
                got = site.ask("GET", "/dav/", SESSION)
                check(f"{variant}: a renewed cookie reaches the browser", "renewed" in got[1].get("set-cookie", ""), got)
        stand.shutdown()
        stand.server_close()


def main():
    base = Path(sys.argv[1]).resolve()
    the_text()
    for part in (htpasswd, credentials, sidecar, others):
        part(base)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

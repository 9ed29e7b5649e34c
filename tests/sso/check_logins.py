#!/usr/bin/env python3
"""Every way in, and every way that must stay shut, through a site's proxy: browser, Bearer, Basic, and what comes with them.

usage: check_logins.py DIR      DIR is that of a site which site.sh has started, with either proxy

Each check is a line; the last says "N passed, N failed". With a real Keycloak, ADMIN_TOKEN is an access token of an
administrator of the realm: back-channel logout and expiry are brought about by its admin interface.
"""

import base64
import gzip
import html
import http.client
import json
import os
import re
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler
from pathlib import Path

HERE = Path(__file__).resolve().parent
BASES = ["/dav/", "/api/v1.0/caldav/"]
ASK = b'<propfind xmlns="DAV:"><prop><current-user-principal/><displayname/></prop></propfind>'
XML = {"Content-Type": "application/xml", "Depth": "0"}
PAGE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
THUNDERBIRD = {**XML, "Accept": "text/xml", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "empty", "Sec-Fetch-Site": "none"}
EVENT = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//t//EN\r\nBEGIN:VEVENT\r\nUID:{0}\r\nDTSTAMP:20260101T000000Z\r\n"
    "DTSTART:20260102T100000Z\r\nSUMMARY:{1}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)


class Tally:
    """What held and what did not."""

    passed = failed = 0

    def check(self, name, right, seen=""):
        if right:
            self.passed += 1
            print(f"ok   {name}", flush=True)
        else:
            self.failed += 1
            print(f"FAIL {name}: {seen}", flush=True)


tally = Tally()
check = tally.check


class Answer:
    """A status, headers in small letters, a body."""

    def __init__(self, status, headers, body, url):
        self.status, self.body, self.url = status, body, url
        self.headers = {}
        for name, value in headers:
            key = name.lower()
            self.headers[key] = f"{self.headers[key]}\n{value}" if key in self.headers else value

    text = property(lambda self: self.body.decode("utf-8", "replace"))
    challenge = property(lambda self: self.headers.get("www-authenticate"))

    @property
    def principal(self):
        found = re.search(r"current-user-principal>\s*<D:href>[^<]*/principals/([^/<]+)/", self.text)
        return found and urllib.parse.unquote(found[1])

    def __repr__(self):
        return f"{self.status} challenge={self.challenge!r} principal={self.principal!r} {self.text[:120]!r}"


class Site:
    """What DIR/env says, and how to ask there."""

    def __init__(self, directory):
        words = subprocess.run(
            ["bash", "-c", "set -a; . $1/env; env -0", "-", directory], check=True, capture_output=True
        ).stdout
        self.env = dict(pair.split("=", 1) for pair in words.decode().split("\0") if "=" in pair)
        self.url, self.issuer = self.env["SITE_URL"], self.env["ISSUER"]
        self.tls = ssl.create_default_context(cafile=self.env["SITE_CA"])

    def send(self, method, url, body=None, headers=(), chunked=False):
        """One request on a connection of its own; `url` may be a path of the site. Names lead to loopback."""
        url = url if "://" in url else self.url + url
        place = urllib.parse.urlsplit(url)
        wire = http.client.HTTPSConnection(place.hostname, place.port or 443, context=self.tls, timeout=60)
        own = place.netloc == urllib.parse.urlsplit(self.url).netloc
        where = ("127.0.0.1" if own else place.hostname, place.port or 443)
        wire._create_connection = lambda *_, **__: socket.create_connection(where, timeout=60)
        # As it was written: urlsplit takes nothing away, and nothing is encoded again.
        target = url[url.index(place.netloc) + len(place.netloc) :].split("#")[0] or "/"
        try:
            wire.request(method, target, body, dict(headers), encode_chunked=chunked)
            got = wire.getresponse()
            return Answer(got.status, got.getheaders(), got.read(), url)
        finally:
            wire.close()

    def propfind(self, path="/dav/", headers=()):
        return self.send("PROPFIND", path, ASK, {**XML, **dict(headers)})

    def token(self, **form):
        """The token endpoint's answer, as a dictionary."""
        got = self.form("/protocol/openid-connect/token", form)
        return json.loads(got.text)

    def form(self, path, form):
        data = urllib.parse.urlencode(form).encode()
        return self.send("POST", self.issuer + path, data, {"Content-Type": "application/x-www-form-urlencoded"})

    def service_token(self, client, secret):
        basic = base64.b64encode(f"{client}:{secret}".encode()).decode()
        got = self.send(
            "POST",
            self.issuer + "/protocol/openid-connect/token",
            b"grant_type=client_credentials",
            {"Content-Type": "application/x-www-form-urlencoded", "Authorization": f"Basic {basic}"},
        )
        return json.loads(got.text)["access_token"]

    def admin(self, method, path, value=None):
        url = self.issuer.replace("/realms/", "/admin/realms/") + path
        headers = {"Content-Type": "application/json"}
        if os.environ.get("ADMIN_TOKEN"):
            headers["Authorization"] = f"Bearer {os.environ['ADMIN_TOKEN']}"
        return self.send(method, url, json.dumps(value).encode() if value is not None else b"", headers)


class Browser:
    """Cookies, redirects, and forms that are filled in and sent; no scripts."""

    def __init__(self, site):
        self.site, self.jar, self.went = site, {}, []

    def cookies(self, url):
        return self.jar.setdefault(urllib.parse.urlsplit(url).netloc, {})

    def send(self, method, url, body=None, headers=()):
        url = url if "://" in url else self.site.url + url
        jar = self.cookies(url)
        headers = dict(headers)
        if jar:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in jar.items())
        got = self.site.send(method, url, body, headers)
        for line in filter(None, got.headers.get("set-cookie", "").split("\n")):
            name, value = line.split(";")[0].split("=", 1)
            gone = value == "" or re.search(r"expires=Thu, 01.Jan.1970|max-age=0\b", line, re.I)
            jar.pop(name.strip(), None) if gone else jar.__setitem__(name.strip(), value)
        return got

    def go(self, url, method="GET", body=None, headers=()):
        """As somebody who clicks: redirects are followed."""
        for _ in range(20):
            got = self.send(method, url, body, {**PAGE, "Sec-Fetch-Mode": "navigate", **dict(headers)})
            self.went.append(f"{got.status} {got.url}")
            if got.status not in (301, 302, 303, 307, 308):
                return got
            url, method, body, headers = urllib.parse.urljoin(got.url, got.headers["location"]), "GET", None, ()
        raise RuntimeError(f"redirects without end: {self.went[-4:]}")

    def press(self, page, **fill):
        """Sends the page's form with what is in it and what is filled in."""
        form = re.search(r"<form[^>]*>.*", page.text, re.S | re.I)[0]
        action = re.search(r'<form[^>]*\baction="([^"]*)"', form, re.I)
        fields = {}
        for tag in re.findall(r"<(?:input|button)\b[^>]*>", form, re.I):
            words = {name.lower(): html.unescape(value) for name, value in re.findall(r'(\w+)="([^"]*)"', tag)}
            if words.get("name") and words["name"] not in fields and words["name"] != "abort":
                fields[words["name"]] = words.get("value", "")
        data = urllib.parse.urlencode({**fields, **{k: v for k, v in fill.items() if k in fields}}).encode()
        url = urllib.parse.urljoin(page.url, html.unescape(action[1]) if action else page.url)
        return self.go(url, "POST", data, {"Content-Type": "application/x-www-form-urlencoded"})

    def sign_in(self, user, url):
        """From an address of the site through the provider's login page back to it."""
        page = self.go(url)
        for _ in range(6):
            if "<form" not in page.text or page.url.startswith(self.site.url):
                break
            page = self.press(page, username=user, password=f"{user}-secret")
        return page

    def propfind(self, path="/dav/", headers=()):
        return self.send("PROPFIND", path, ASK, {**XML, **dict(headers)})


def basic(user, password=None):
    word = f"{user}:{password if password is not None else user + '-secret'}".encode()
    return {"Authorization": "Basic " + base64.b64encode(word).decode()}


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def device_token(site, user):
    """As a program without a browser: the person types a code elsewhere."""
    start = json.loads(site.form("/protocol/openid-connect/auth/device", {"client_id": "kalends-cli", "scope": "openid"}).text)
    browser = Browser(site)
    page = browser.go(start["verification_uri_complete"])
    for _ in range(8):
        if "<form" not in page.text:
            break
        page = browser.press(page, username=user, password=f"{user}-secret")
    grant = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "client_id": "kalends-cli", "device_code": start["device_code"]}
    for _ in range(10):
        got = site.token(**grant)
        if "access_token" in got:
            return got
        time.sleep(start.get("interval", 1))
    raise RuntimeError(f"no token: {got}")


def curl(site, *arguments):
    """HTTP/2, and other things that http.client does not know: status, version, headers and body."""
    host = urllib.parse.urlsplit(site.url)
    line = ["curl", "-s", "-S", "-i", "--max-time", "60", "--cacert", site.env["SITE_CA"]]
    line += ["--resolve", f"{host.hostname}:{host.port}:127.0.0.1", "-w", "\n%{http_code} %{http_version} %{size_upload}", *arguments]
    got = subprocess.run(line, capture_output=True, text=True, errors="replace")
    status, version, sent = got.stdout.rsplit("\n", 1)[1].split()
    return int(status), version, int(sent), got.stdout + got.stderr


# ---------------------------------------------------------------- the checks, in the order a reader would ask


def asks(got):
    """Whether it asks for a password, once; and for a token, if at all, in a header of its own."""
    ways = sorted((got.challenge or "").split("\n"))
    return ways[0].startswith('Basic realm="') and ways[1:] in ([], ['Bearer realm="kalends"'])


def nobody(site):
    for base in BASES:
        for method, headers in [("PROPFIND", XML), ("OPTIONS", {}), ("GET", {"Accept": "*/*"}), ("REPORT", XML), ("PUT", {})]:
            got = site.send(method, base, headers=headers)
            right = got.status == 401 and asks(got)
            check(f"nobody: {method} {base} is 401 with a Basic challenge", right, got)
        got = site.send("GET", base, headers=PAGE)
        right = got.status == 302 and got.headers["location"].startswith(site.issuer)
        check(f"nobody: a browser at {base} is sent to the provider", right, got)
        for mode in ("cors", "same-origin", "no-cors"):
            got = site.send("GET", base, headers={"Sec-Fetch-Mode": mode, "Accept": "*/*"})
            check(f"nobody: fetch() ({mode}) at {base} is 401 without a challenge", got.status == 401 and not got.challenge, got)
        got = site.propfind(base, {"Sec-Fetch-Mode": "cors"})
        check(f"nobody: fetch() PROPFIND at {base} is 401 without a challenge", got.status == 401 and not got.challenge, got)
        # Thunderbird's are no page's, though they look like it.
        for method in ("PROPFIND", "GET", "REPORT", "OPTIONS", "PUT"):
            got = site.send(method, base, headers=THUNDERBIRD)
            right = got.status == 401 and asks(got) and "location" not in got.headers
            check(f"nobody: Thunderbird's {method} {base} is 401 with a Basic challenge", right, got)
        for destination in ("script", "image", "style"):
            got = site.send("GET", base, headers={**THUNDERBIRD, "Sec-Fetch-Dest": destination})
            right = got.status == 401 and not got.challenge
            check(f"nobody: a page's {destination} at {base} is 401 without a challenge", right, got)
    got = site.propfind("/dav/", {"X-Requested-With": "XMLHttpRequest"})
    check("nobody: XMLHttpRequest is 401 without a challenge", got.status == 401 and not got.challenge, got)
    got = site.propfind("/dav/", {**PAGE})
    check("nobody: PROPFIND that takes text/html is not redirected", got.status == 401 and "location" not in got.headers, got)
    stale = {"Cookie": "mod_auth_openidc_session=00000000-0000-4000-8000-000000000000"}
    got = site.propfind("/dav/", {**stale, "Sec-Fetch-Mode": "cors"})
    check("nobody: a stale cookie with fetch() is 401 without a challenge", got.status == 401 and not got.challenge, got)
    got = site.propfind("/dav/", {**stale, **THUNDERBIRD})
    check("nobody: a stale cookie of Thunderbird's is 401 with a Basic challenge", got.status == 401 and "Basic" in (got.challenge or ""), got)
    got = site.propfind("/dav/", stale)
    check("nobody: a stale cookie from a program is 401", got.status == 401 and "location" not in got.headers, got)
    got = site.send("GET", "/dav/", headers={**stale, **PAGE})
    check("nobody: a stale cookie of somebody who looks at a page leads to the login", got.status == 302, got)
    for path in ["/.well-known/caldav", "/.well-known/caldav/"]:
        for method in ["GET", "PROPFIND", "OPTIONS"]:
            got = site.send(method, path)
            right = got.status in (301, 307, 308) and got.headers.get("location", "").endswith("/dav/")
            check(f"nobody: {method} {path} is led on to /dav/", right, got)
    got = site.send("OPTIONS", "/dav/", headers={"Origin": "https://app.example", "Access-Control-Request-Method": "PROPFIND"})
    check("nobody: a CORS preflight is answered by kalends", "text/html" not in got.headers.get("content-type", ""), got)
    got = site.send("PROPFIND", "/dav/", ASK, {**XML, "Origin": "https://app.example", "Access-Control-Request-Method": "PROPFIND"})
    check("nobody: what is no preflight is none by its headers", got.status == 401, got)


def passwords(site):
    for base in BASES:
        got = site.propfind(base, basic("dave"))
        check(f"Basic: dave is dave under {base}", got.status == 207 and got.principal == "dave", got)
        check(f"Basic: hrefs stay under {base}", f"<D:href>{base}" in got.text, got)
        for name, headers in [
            ("a wrong password", basic("dave", "wrong")),
            ("an unknown user", basic("mallory")),
            ("an empty password", basic("dave", "")),
            ("no colon", {"Authorization": "Basic " + base64.b64encode(b"dave").decode()}),
            ("another scheme", {"Authorization": "Negotiate YII="}),
        ]:
            got = site.propfind(base, headers)
            right = got.status == 401 and "Basic" in (got.challenge or "")
            check(f"Basic: {name} is 401 with a challenge under {base}", right, got)
    for path in ["/", "/principals/"]:
        got = site.propfind(path, basic("dave"))
        check(f"Basic: a program finds dave from {path}", got.principal == "dave", got)
    got = site.propfind("/dav/", {**basic("dave"), "Cookie": "mod_auth_openidc_session=x"})
    check("Basic: a password counts beside a stale cookie", got.principal == "dave", got)
    got = site.propfind("/dav/", {**basic("dave"), **THUNDERBIRD})
    check("Basic: Thunderbird is dave", got.principal == "dave", got)
    for user in ["bob", "dave", "erin"]:
        got = site.propfind("/dav/", basic(user))
        check(f"Basic: {user} is {user}", got.principal == user, got)


def tokens(site):
    service = site.service_token("kalends-automation", site.env["AUTOMATION_SECRET"])
    alice = device_token(site, "alice")
    for base in BASES:
        got = site.propfind(base, bearer(service))
        right = got.status == 207 and got.principal == "service-account-kalends-automation"
        check(f"Bearer: the service account is itself under {base}", right, got)
        got = site.propfind(base, bearer(alice["access_token"]))
        check(f"Bearer: the device flow makes alice under {base}", got.status == 207 and got.principal == "alice", got)
    got = site.propfind("/dav/", {"Authorization": f"bearer {alice['access_token']}"})
    check("Bearer: the scheme is taken in small letters", got.principal == "alice", got)
    head, claims, signature = alice["access_token"].split(".")
    forged = json.loads(base64.urlsafe_b64decode(claims + "=="))
    forged["preferred_username"] = "bob"
    forged = base64.urlsafe_b64encode(json.dumps(forged).encode()).decode().rstrip("=")
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
    wrong = {
        "of a client without this audience": site.service_token("other", "other-secret"),
        "of rubbish": "rubbish",
        "of three rubbish parts": "a.b.c",
        "with other claims than were signed": f"{head}.{forged}.{signature}",
        "that says it needs no signature": f"{none}.{claims}.",
        "that is empty": "",
    }
    if "id_token" in alice:
        wrong["that is an ID token"] = alice["id_token"]
    if "refresh_token" in alice:
        wrong["that is a refresh token"] = alice["refresh_token"]
    for name, token in wrong.items():
        for base in BASES:
            got = site.propfind(base, bearer(token))
            check(f"Bearer: a token {name} is 401 under {base}", got.status == 401 and "location" not in got.headers, got)
            if token:
                check(f"Bearer: … and is told so as Bearer under {base}", (got.challenge or "").startswith("Bearer"), got)
    got = site.propfind(f"/dav/?access_token={alice['access_token']}")
    check("Bearer: a token in the address is none", got.status == 401, got)
    if "refresh_token" in alice:
        again = site.token(grant_type="refresh_token", client_id="kalends-cli", refresh_token=alice["refresh_token"])
        got = site.propfind("/dav/", bearer(again["access_token"]))
        check("Bearer: a refreshed token is alice", got.principal == "alice", got)
    return alice["access_token"]


def expiry(site):
    site.admin("PUT", "", {"accessTokenLifespan": 2})
    try:
        token = site.service_token("kalends-automation", site.env["AUTOMATION_SECRET"])
        before = site.propfind("/dav/", bearer(token))
        time.sleep(3.5)
        after = site.propfind("/dav/", bearer(token))
    finally:
        site.admin("PUT", "", {"accessTokenLifespan": 300})
    check("Bearer: a token counts while it lives", before.status == 207, before)
    check("Bearer: and is 401 when it has expired", after.status == 401, after)


def browsers(site):
    for base in BASES:
        alice = Browser(site)
        page = alice.sign_in("alice", base)
        # kalends has no page to show for a collection, and says so to those whom it knows.
        right = page.url == site.url + base and page.status in (200, 405) and not page.challenge
        check(f"browser: alice comes back to {base} from the login page", right, (alice.went, page))
        for other in BASES:
            got = alice.propfind(other, {"Sec-Fetch-Mode": "cors"})
            check(f"browser: signed in at {base}, the session is alice under {other}", got.status == 207 and got.principal == "alice", got)
    jar = alice.cookies(site.url)
    check("browser: no state cookie is left over", not any("state" in name for name in jar), list(jar))
    bob = Browser(site)
    bob.sign_in("bob", "/dav/")
    got = bob.send("PROPFIND", "/dav/principals/bob/", ASK, XML)
    check("browser: bob's name arrives with its letters", got.status == 207 and "Bob Ünïcode" in got.text, got)
    got = bob.send("GET", "/oidc/callback?info=json", headers={"Accept": "*/*"})
    check("browser: the session tells nobody its tokens", "access_token" not in got.text and got.status >= 400, got)
    got = bob.propfind("/dav/", basic("dave"))
    check("browser: a password counts before a session", got.principal == "dave", got)
    got = site.propfind("/dav/", {"Cookie": "; ".join(f"{k}={v}" for k, v in bob.cookies(site.url).items()), **XML})
    check("browser: another user's session stays another user's", got.principal == "bob", got)
    # One person, two ways in: the calendars are the same.
    got = site.propfind("/dav/", basic("alice"))
    check("both ways: alice's password opens what her session opens", got.status == 207 and got.principal == "alice", got)
    got = alice.propfind("/dav/")
    check("both ways: and her session still does", got.principal == "alice", got)
    return alice


def sessions_end(site, alice):
    old = dict(alice.cookies(site.url))
    page = alice.go("/oidc/logout")
    if "<form" in page.text and "username" not in page.text:
        page = alice.press(page)
    check("logout: the browser comes out at a login page", 'name="username"' in page.text, (alice.went[-6:], page))
    cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in old.items())}
    for base in BASES:
        got = site.propfind(base, {**cookie, "Sec-Fetch-Mode": "cors"})
        check(f"logout: the old cookie is 401 under {base}", got.status == 401, got)
    carol, alice = Browser(site), Browser(site)
    carol.sign_in("carol", "/dav/")
    alice.sign_in("alice", "/dav/")
    check("back-channel: carol is signed in", carol.propfind().principal == "carol")
    person = json.loads(site.admin("GET", "/users?username=carol").text)[0]["id"]
    site.admin("POST", f"/users/{person}/logout")
    got = carol.propfind("/dav/", {"Sec-Fetch-Mode": "cors"})
    check("back-channel: the provider ends carol's session", got.status == 401, got)
    check("back-channel: and nobody else's", alice.propfind().principal == "alice")
    got = site.send("POST", "/oidc/callback?logout=backchannel", b"logout_token=rubbish", {"Content-Type": "application/x-www-form-urlencoded"})
    check("back-channel: a forged logout token ends nothing", got.status >= 400 and alice.propfind().principal == "alice", got)
    for evil in ["https://evil.example/", "//evil.example/", f"{site.url}.evil.example/", "https:evil.example"]:
        got = alice.send("GET", "/oidc/callback?logout=" + urllib.parse.quote(evil, safe=""), headers=PAGE)
        leads = urllib.parse.unquote(got.headers.get("location", ""))
        check(f"logout: leads to no other site ({evil.replace(site.url, 'the site')})", "evil.example" not in leads, got.headers)


def bodies(site):
    home = "/dav/calendars/erin/calendar"
    headers = {**basic("erin"), "Content-Type": "text/calendar"}
    text = EVENT.format("small", "x" * 200_000).encode()
    got = site.send("PUT", f"{home}/small.ics", text, headers)
    check("body: a PUT of 200 KB is stored", got.status in (201, 204), got)
    check("body: … as it was sent", site.send("GET", f"{home}/small.ics", headers=headers).body == text)
    parts = [text[at : at + 7001].replace(b"UID:small", b"UID:parts") for at in range(0, len(text), 7001)]
    got = site.send("PUT", f"{home}/parts.ics", iter(parts), {**headers, "Transfer-Encoding": "chunked"}, chunked=True)
    check("body: a PUT in chunks is stored", got.status in (201, 204), got)
    got = site.send("GET", f"{home}/small.ics", headers={**headers, "Accept-Encoding": "gzip"})
    check("body: the proxy compresses nothing", "content-encoding" not in got.headers and "gzip" not in got.headers.get("etag", ""), got)
    got = site.send("PROPFIND", f"{home}/", ASK, {**XML, **headers, "Depth": "0", "Accept-Encoding": "gzip"})
    check("body: nor a multistatus that is too short for kalends", got.status == 207 and "content-encoding" not in got.headers, got)
    every = b'<propfind xmlns="DAV:"><allprop/></propfind>'
    plain = site.send("PROPFIND", f"{home}/", every, {**XML, **headers, "Depth": "1"})
    got = site.send("PROPFIND", f"{home}/", every, {**XML, **headers, "Depth": "1", "Accept-Encoding": "gzip"})
    coded = got.status == 207 and got.headers.get("content-encoding") == "gzip"
    check("body: what kalends has compressed arrives so", coded and gzip.decompress(got.body) == plain.body, got)
    place = Path(site.env["SITE_CA"]).parent
    where = f"{site.url}{home}/big.ics"
    for size in (12, 25):
        big = place / f"big{size}"
        big.write_bytes(b"x" * (size * 1_000_000))
        # 12 MB are more than an object may have, 25 MB more than a body; kalends says so in its own words.
        status = 403 if size == 12 else 413
        ways = [("", ["-T", str(big)]), (" without Expect", ["-H", "Expect:", "-T", str(big)])]
        ways.append((" in chunks", ["-H", "Transfer-Encoding: chunked", "-T", str(big)]))
        for version in ("--http1.1", "--http2"):
            for name, way in ways:
                # curl's own patience with `Expect` ends after a second, and everything is sent all the same.
                got = curl(site, version, "--expect100-timeout", "30", "-u", "erin:erin-secret", "-H", "Content-Type: text/calendar", *way, where)
                # Where the size is not told before, the object's limit comes first.
                right = got[0] in (status, 403 if "chunks" in name else status) and "text/html" not in got[3] and "<html" not in got[3].lower()
                check(f"body: {size} MB{name} ({version[2:]}) are refused by kalends", right, (got[:3], got[3][-300:]))
        got = curl(site, "--http1.1", "--expect100-timeout", "30", "-H", "Expect: 100-continue", "-u", "erin:wrong", "-T", str(big), where)
        check(f"body: {size} MB of nobody are not taken in", got[0] == 401 and got[2] == 0, got[:3])
        big.unlink()
    for name, size, path, header in [("header", 33_000, "/dav/", True), ("address", 33_000, "/dav/" + "a" * 33_000, False)]:
        extra = {"X-Long": "a" * size} if header else {}
        got = site.propfind(path, {**basic("erin"), **extra})
        check(f"limits: an overlong {name} is refused by kalends", got.status == 431 and "<html" not in got.text.lower(), got)


def http2(site):
    for base in BASES:
        got = curl(site, "--http2", "-u", "dave:dave-secret", "-X", "PROPFIND", "-H", "Depth: 0", site.url + base)
        check(f"HTTP/2: PROPFIND {base}", got[:2] == (207, "2"), got[:3])
    got = curl(site, "--http2", "-X", "PROPFIND", "-H", "X-Forwarded-User: dave", site.url + "/dav/")
    check("HTTP/2: a forged header is nobody", got[0] == 401, got[:3])
    got = curl(site, "--http2", "-u", "dave:dave-secret", "-X", "MKCALENDAR", site.url + "/dav/calendars/dave/h2/")
    check("HTTP/2: MKCALENDAR", got[0] in (201, 405), got[:3])
    got = curl(site, "--http1.1", "-u", "dave:dave-secret", "-X", "TRACE", site.url + "/dav/")
    check("TRACE is refused", got[0] in (403, 405, 501), got[:3])


# ---------------------------------------------------------------- what arrives: an echo in place of kalends


class Echo(BaseHTTPRequestHandler):
    """Says what it was asked, and answers with headers that a proxy might lose."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        if length:
            self.rfile.read(length)
        said = json.dumps({"method": self.command, "target": self.path, "headers": [list(pair) for pair in self.headers.items()]})
        said = said.encode()
        self.send_response(200)
        for name, value in SAID.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(said)

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def address_string(self):
        return "unix"

    def log_message(self, *_):
        pass


class EchoServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64


SAID = {
    "Content-Type": "application/json",
    "ETag": '"abc"',
    "Schedule-Tag": '"tag-1"',
    "DAV": "1, 3, calendar-access",
    "Allow": "OPTIONS, PROPFIND, REPORT",
    "Location": "/dav/calendars/dave/x%2Fy.ics",
    "Preference-Applied": "return=minimal",
    "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT",
    "CalDAV-Timezones": "T",
}
ASKED = {
    "Depth": "1",
    "Overwrite": "F",
    "If": '<https://cal.example.org/dav/x> (["abc"] <urn:uuid:1>) (Not ["d"])',
    "If-Match": '"abc"',
    "If-None-Match": "*",
    "If-Schedule-Tag-Match": '"tag-1"',
    "Schedule-Reply": "F",
    "Prefer": "return=minimal, depth-noroot",
    "Brief": "t",
    "Timeout": "Second-60",
    "Lock-Token": "<urn:uuid:2>",
    "Accept": "text/calendar; version=2.0, */*;q=0.1",
    "Accept-Language": "de",
    "User-Agent": "DAVx5/4.5 (dav4jvm; okhttp/5)",
    "Origin": "https://app.example",
    "CalDAV-Timezones": "F",
}
TARGETS = [
    "/dav/calendars/dave/a%2Fb/c%2Fd.ics",
    "/dav/calendars/dave%40example.com/x%20y+z.ics",
    "/dav/calendars/d%C3%A9/%E2%82%AC.ics?sync=1&q=%2F%26&empty=",
    "/dav/calendars/dave/%61%7E%27%3B%25.ics",
    "/api/v1.0/caldav/calendars/dave/a%2Fb.ics?expand=1",
    "/api/v1.0/caldav/calendars/dave@example.com/!$&'()*,;=:@-._~.ics",
    "/dav/",
]

FORGED = {
    name: "mallory"
    for name in "X-Forwarded-User X_Forwarded_User X.Forwarded.User X-Forwarded-Sub X-Forwarded-Email X-Forwarded-Name X-Forwarded-Groups "
    "X-Forwarded-Auth-Type X_Forwarded_Auth_Type X.Forwarded.Auth.Type "
    "X-Forwarded-Token X-Kalends-Secret Remote-User X-Remote-User OIDC_CLAIM_email OIDC-CLAIM-email OIDC_access_token "
    "X-Forwarded-For X-Forwarded-Host X-Forwarded-Proto Forwarded X-Request-Id X-Real-IP".split()
}
TRICK = {"Connection": "close, X-Forwarded-User, X-Kalends-Secret, X-Forwarded-Sub, X-Forwarded-Auth-Type, X-Request-Id"}


def arrivals(site, token):
    place = Path(site.env["SITE_CA"]).parent
    where = place / "echo.sock"
    where.unlink(missing_ok=True)
    server = EchoServer(str(where), Echo)
    where.chmod(0o666)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    env = {**os.environ, "SITE_KALENDS": str(where), "ISSUER": site.issuer, "ISSUER_CA": site.env["SITE_CA"], "SECRET": "echo-secret-0123456789"}
    env = {name: value for name, value in env.items() if name != "SITE_PORT"}
    command = [str(HERE / "site.sh"), "start", str(place / "echo"), site.env["PROXY"]]
    try:
        subprocess.run(command, env=env, check=True, stdin=subprocess.DEVNULL)
        arrived(Site(str(place / "echo")), token)
    finally:
        subprocess.run([command[0], "stop", command[2]], check=False)
        server.shutdown()
        where.unlink(missing_ok=True)


def session_arrives(site, alice):
    """What kalends is told of a session; an echo takes its place for one request."""
    where = Path(site.env["SOCKET"])
    aside = where.rename(where.with_name("aside.sock"))
    server = EchoServer(str(where), Echo)
    where.chmod(0o666)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        there = seen(alice.send("PROPFIND", "/dav/", b"", {**FORGED, **TRICK}))[1]
    finally:
        server.shutdown()
        server.server_close()
        aside.replace(where)
    told = {"user": "alice", "auth-type": "session", "email": "alice@example.com", "name": "Alice Archer"}
    for name, value in told.items():
        check(f"browser: tells the {name}", there.get(f"x-forwarded-{name}") == [value], there.get(f"x-forwarded-{name}"))
    check("browser: tells the sub", len(there.get("x-forwarded-sub", [])) == 1, there.get("x-forwarded-sub"))
    check("browser: nothing forged arrives, nor the cookie", bool(there) and "mallory" not in str(there) and "cookie" not in there, there)
    check("browser: and kalends is back", alice.propfind().principal == "alice")


def seen(answer):
    """What the echo was asked: target and headers, each with all its values."""
    try:
        said = json.loads(answer.text)
    except ValueError:
        return "", {}
    headers = {}
    for name, value in said["headers"]:
        headers.setdefault(name.lower(), []).append(value.encode("latin-1").decode("utf-8", "replace"))
    return said["target"], headers


def arrived(site, token):
    for target in TARGETS:
        got = site.send("PROPFIND", target, b"", basic("dave"))
        check(f"arrives: {target}", seen(got)[0] == target, (got.status, seen(got)[0]))
    destination = f"{site.url}/dav/calendars/dave/b%2Fc%40d.ics"
    got = site.send("MOVE", "/dav/x", b"", {**ASKED, "Destination": destination, **basic("dave")})
    headers = seen(got)[1]
    for name, value in {**ASKED, "Destination": destination}.items():
        # A proxy may leave out scheme and host of the destination: kalends knows its public address.
        may = [[value]] if name != "Destination" else [[destination], [destination[len(site.url) :]]]
        check(f"arrives: {name}", headers.get(name.lower()) in may, headers.get(name.lower()))
    for name, value in SAID.items():
        here = got.headers.get(name.lower(), "").removeprefix(site.url)
        check(f"comes back: {name}", here == value, got.headers.get(name.lower()))
    for method in "OPTIONS GET HEAD PUT DELETE POST PROPFIND PROPPATCH REPORT MKCALENDAR MKCOL COPY MOVE ACL LOCK UNLOCK".split():
        got = site.send(method, "/dav/x", b"", basic("dave"))
        right = got.status == 200 and (method == "HEAD" or json.loads(got.text)["method"] == method)
        check(f"arrives: the method {method}", right, got)
    ways = {"Basic": basic("dave"), "Bearer": bearer(token), "nobody's preflight": {"Origin": "x", "Access-Control-Request-Method": "PUT"}}
    who = {"Basic": ["dave"], "Bearer": ["alice"], "nobody's preflight": None}
    kind = {"Basic": ["Basic"], "Bearer": ["bearer"], "nobody's preflight": None}
    for way, headers in ways.items():
        method = "OPTIONS" if "preflight" in way else "PROPFIND"
        got = site.send(method, "/dav/", b"", {**FORGED, **TRICK, **headers, "Cookie": "mod_auth_openidc_session=x; a=b"})
        there = seen(got)[1]
        check(f"{way}: the user is who was proven", there.get("x-forwarded-user") == who[way], there.get("x-forwarded-user"))
        check(f"{way}: how it was proven", there.get("x-forwarded-auth-type") == kind[way], there.get("x-forwarded-auth-type"))
        check(f"{way}: the proxy shows its secret", there.get("x-kalends-secret") == [site.env["SECRET"]], got)
        check(f"{way}: nothing forged arrives", bool(there) and "mallory" not in str(there), there)
        kept = [name for name in ("authorization", "cookie", "proxy-authorization") if name in there]
        check(f"{way}: no password, token or cookie arrives", not kept and bool(there), kept)
        check(f"{way}: the client's address", there.get("x-forwarded-for") == ["127.0.0.1"], there.get("x-forwarded-for"))
        check(f"{way}: the protocol", there.get("x-forwarded-proto") == ["https"], there.get("x-forwarded-proto"))
        check(f"{way}: one id of the request", len(there.get("x-request-id", [])) == 1, there.get("x-request-id"))
    for way in ("Basic", "nobody's preflight"):
        method = "OPTIONS" if "preflight" in way else "PROPFIND"
        there = seen(site.send(method, "/dav/", b"", ways[way]))[1]
        told = [name for name in ("sub", "email", "name", "groups") if there.get(f"x-forwarded-{name}", [""]) != [""]]
        check(f"{way}: tells no more than was proven", not told and bool(there), told)
    there = seen(site.send("PROPFIND", "/dav/", b"", bearer(token)))[1]
    claims = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    told = {"sub": claims["sub"], "email": "alice@example.com", "name": "Alice Archer"}
    for name, value in told.items():
        check(f"Bearer: tells the {name}", there.get(f"x-forwarded-{name}") == [value], there.get(f"x-forwarded-{name}"))
    groups = sorted(",".join(there.get("x-forwarded-groups", [])).split(","))
    check("Bearer: tells the groups", groups == ["/rooms-admin", "/staff"], groups)
    got = site.send("GET", "/.well-known/caldav", headers={**FORGED, **basic("dave")})
    there = seen(got)[1]
    nothing = not there.get("x-forwarded-user") and not there.get("x-forwarded-auth-type") and "mallory" not in str(there)
    check("/.well-known/caldav: no identity goes with it", bool(there) and nothing, there)


def rest_service(site):
    """What lies beside CalDAV: behind the same sign-in, refused in the one shape that pages understand, wherever they come from."""
    pages = {"Origin": "https://pages.example.org"}
    for path in ["/api/v1.0/users/me/", "/external_api/v1.0/users/me/"]:
        for name, headers in [("nobody", {}), ("a wrong password", basic("dave", "x")), ("a page's script", {"Sec-Fetch-Mode": "cors"}), ("a wrong token", bearer("x"))]:
            got = site.send("GET", path, headers={**headers, **pages})
            try:
                codes = [one["code"] for one in json.loads(got.text)["errors"]]
            except (ValueError, KeyError):
                codes = []
            right = got.status == 401 and got.headers["content-type"] == "application/json" and codes == ["not_authenticated"]
            check(f"REST: {name} at {path} is refused in JSON", right, got)
            check(f"REST: {name} at {path}, told to the page", got.headers.get("access-control-allow-origin") == pages["Origin"], got.headers)
        got = site.send("GET", path, headers=basic("dave"))
        check(f"REST: dave is let in at {path}", got.status == 200 and "id" in json.loads(got.text), got)
        got = site.send("GET", path, headers=PAGE)
        check(f"REST: a browser at {path} is sent to the provider", got.status == 302, got)
    for path in ["config/", "openapi.json", "swagger.json"]:
        got = site.send("GET", f"/api/v1.0/{path}", headers=FORGED)
        check(f"REST: everybody reads {path}", got.status == 200 and "mallory" not in got.text, got)
    got = site.send("GET", "/api/v1.0/openapi.json/x")
    check("REST: and nothing behind it", got.status == 401, got)


def main():
    site = Site(os.path.abspath(sys.argv[1]))
    nobody(site)
    rest_service(site)
    passwords(site)
    token = tokens(site)
    alice = browsers(site)
    session_arrives(site, alice)
    sessions_end(site, alice)
    bodies(site)
    http2(site)
    arrivals(site, token)
    expiry(site)
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())

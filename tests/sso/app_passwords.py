#!/usr/bin/env python3
"""Passwords that people make for single programs, through a shipped configuration as it is shipped, beside browsers and tokens.

usage: app_passwords.py DIR apache|nginx      starts a site of its own in DIR, and stops it

Each check is a line; the last says "N passed, N failed".
"""

import base64
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from check_logins import ASK, EVENT, XML, Answer, Browser, Site, bearer, check, device_token, tally

HERE = Path(__file__).resolve().parent
HOME = "/dav/calendars/alice/"
SHOWN, HIDDEN = HOME + "calendar/", HOME + "tasks/"
# Stands in what is outside of the calendar, and in nothing else.
OUTSIDE = "qzveil"
TASK = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//t//EN\r\nBEGIN:VTODO\r\nUID:{0}\r\nDTSTAMP:20260101T000000Z\r\n"
    "SUMMARY:{1}\r\nEND:VTODO\r\nEND:VCALENDAR\r\n"
)
SPACES = 'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:CS="http://calendarserver.org/ns/"'
# What somebody might send who would like the proxy, or kalends, to forget how far the password reaches; `{a}` is its Authorization,
# `{w}` one that is none.
TRICKS = {
    "nothing": [],
    "a name": ["X-Forwarded-User: alice"],
    "a name with underscores": ["X_Forwarded_User: alice"],
    "a name with dots": ["X.Forwarded.User: alice"],
    "a name in other letters": ["x-FORWARDED-user: alice"],
    "a name twice": ["X-Forwarded-User: alice", "X-Forwarded-User: alice"],
    "a whole value": ["X-Forwarded-User: alice/00000000-0000-4000-8000-000000000000/k/rw/*"],
    "another kind": ["X-Forwarded-Auth-Type: Basic"],
    "both": ["X-Forwarded-User: alice", "X-Forwarded-Auth-Type: session", "X-Forwarded-Sub: s"],
    "what the check says": ["X-Auth-User: alice", "Variable-KALENDS_PRINCIPAL: alice", "KALENDS_PRINCIPAL: alice", "KALENDS-PRINCIPAL: alice"],
    "other names for names": ["Remote-User: alice", "X-Remote-User: alice", "X-Auth-Request-User: alice", "X-WebAuth-User: alice", "Proxy: alice"],
    "an order to drop the name": ["Connection: close, X-Forwarded-User"],
    "an order to drop the kind": ["Connection: close, X-Forwarded-Auth-Type"],
    "an order to drop all": ["Connection: X-Forwarded-User, X-Forwarded-Auth-Type, X-Kalends-Secret"],
    "an order to drop, and names": ["Connection: close, X-Forwarded-User", "Remote-User: alice", "X-Remote-User: alice"],
    "Authorization twice": ["Authorization: {a}"],
    "a wrong Authorization behind it": ["Authorization: {w}"],
    "a token behind it": ["Authorization: Bearer x.y.z"],
    "a proxy's Authorization": ["Proxy-Authorization: {w}"],
    "a session that is none": ["Cookie: mod_auth_openidc_session=00000000-0000-4000-8000-000000000000"],
    "another host": ["X-Forwarded-Host: localhost", "Forwarded: for=127.0.0.1;host=kalends"],
    "another address": ["X-Forwarded-For: 127.0.0.1", "X-Real-IP: 127.0.0.1"],
    "another path": ["X-Original-URI: {h}", "X-Original-URL: {h}", "X-Rewrite-URL: {h}", "X-Forwarded-Uri: {h}", "X-Forwarded-Prefix: /x"],
    "another method": ["X-HTTP-Method-Override: PROPFIND", "X-HTTP-Method: PROPFIND", "X-Method-Override: PROPFIND"],
}


def basic(user, secret):
    return "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()


class Program:
    """A calendar program with one password, that sends whatever it likes."""

    def __init__(self, site, password, user="alice"):
        self.site, self.password, self.says = site, password, basic(user, password)

    def ask(self, method, path, body=b"", lines=(), first=None):
        """One request of exactly these lines on a connection of its own; status 0 is a connection that was closed."""
        fill = {"{a}": self.says, "{w}": basic("alice", "wrong"), "{h}": HIDDEN}
        host = first or self.site.url.split("//")[1]
        head = [f"{method} {path} HTTP/1.1", f"Host: {host}", f"Authorization: {self.says}"]
        for line in lines:
            for mark, value in fill.items():
                line = line.replace(mark, value)
            head.append(line)
        body = body.encode() if isinstance(body, str) else body
        if not any(line.lower().startswith("content-type") for line in lines):
            head.append("Content-Type: " + ("text/calendar" if method == "PUT" else "application/xml"))
        head.append(f"Content-Length: {len(body)}")
        place = ("127.0.0.1", int(self.site.env["SITE_PORT"]))
        with socket.create_connection(place, timeout=60) as plain, self.site.tls.wrap_socket(plain, server_hostname=self.site.env["SITE_HOST"]) as wire:
            try:
                wire.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body)
                got = http.client.HTTPResponse(wire, method=method)
                got.begin()
                return Answer(got.status, got.getheaders(), got.read(), path)
            except (OSError, http.client.HTTPException):
                return Answer(0, [], b"", path)


class Owner:
    """Alice in her browser, signed in at the provider."""

    def __init__(self, site):
        self.site, self.browser = site, Browser(site)
        self.browser.sign_in("alice", "/dav/")

    def call(self, method, path, body=None):
        text = json.dumps(body).encode() if body is not None else b""
        return self.browser.send(method, f"/api/v1.0/{path}", text, {"Content-Type": "application/json", "Sec-Fetch-Mode": "cors"})

    def password(self, **wish):
        """A new password: its id, and a program that has it."""
        got = self.call("POST", "app-passwords/", {"label": "test", **wish})
        check(f"she makes a password in the browser, for {wish or 'everything'}", got.status == 201, got)
        made = json.loads(got.text)
        return made["id"], Program(self.site, made["secret"], made["username"])


def challenges(got):
    return sorted((got.challenge or "").split("\n"))


def side_by_side(site, owner):
    """A browser, a token and a password on one host, and what each of them is told."""
    both = ['Basic realm="kalends"', 'Bearer realm="kalends"']
    for method in ("PROPFIND", "GET", "OPTIONS", "PUT", "REPORT"):
        got = site.send(method, "/dav/", headers=XML)
        check(f"nobody's {method} is told that passwords and tokens do", got.status == 401 and challenges(got) == both, got)
    got = site.propfind("/api/v1.0/caldav/")
    check("under the other address too", got.status == 401 and challenges(got) == both, got)
    got = site.send("GET", "/api/v1.0/users/me/")
    check("and at the REST service", got.status == 401 and challenges(got) == both, got)
    got = site.propfind("/dav/", {"Authorization": basic("alice", "wrong")})
    check("who has a wrong password is told the same", got.status == 401 and challenges(got) == both, got)
    got = site.propfind("/dav/", {"Sec-Fetch-Mode": "cors"})
    check("a page's script is told neither", got.status == 401 and not got.challenge, got)
    got = site.propfind("/dav/", bearer("x.y.z"))
    check("who has a wrong token is told so", got.status == 401 and challenges(got) == ['Bearer realm="kalends", error="invalid_token"'] or "invalid_token" in (got.challenge or ""), got)
    _, whole = owner.password()
    token = device_token(site, "alice")["access_token"]
    ways = {"her browser": owner.browser.propfind(), "her token": site.propfind("/dav/", bearer(token)), "her password": site.propfind("/dav/", {"Authorization": whole.says})}
    for name, got in ways.items():
        check(f"{name} is she", got.status == 207 and got.principal == "alice", got)
    _, reads = owner.password(read_only=True)
    event = EVENT.format("s", "x").encode()
    put = {"Content-Type": "text/calendar", "Authorization": reads.says}
    got = owner.browser.send("PUT", SHOWN + "s.ics", event, put)
    check("a browser that sends a password as well has no more than that", got.status == 403, got)
    got = reads.ask("PUT", SHOWN + "s.ics", event, [f"Authorization: Bearer {token}"])
    check("nor has a password with a token behind it", got.status in (0, 400, 401, 403), got)
    got = owner.browser.send("PUT", SHOWN + "s.ics", event, {"Content-Type": "text/calendar"})
    check("the browser alone writes", got.status in (201, 204), got)
    got = site.send("GET", "/api/v1.0/config/")
    check("what pages need before somebody signs in is open", got.status == 200, got)
    for path in ("/ical/none.ics", "/api/v1.0/config/../users/me/", "/api/v1.0/config/%2e%2e/users/me/", "/ical/../api/v1.0/users/me/", "/ical/..%2fapi/v1.0/users/me/"):
        got = site.send("GET", path, headers={"X-Forwarded-User": "alice", "X-Forwarded-Auth-Type": "Basic"})
        check(f"{path} is nobody's way in", got.status in (400, 401, 403, 404), got)
    got = whole.ask("GET", "/api/v1.0/users/me/")
    check("a password for everything opens the REST service", got.status == 200, got)
    for method, path in [("GET", "app-passwords/"), ("POST", "app-passwords/"), ("POST", "subscription-tokens/")]:
        got = whole.ask(method, "/api/v1.0/" + path, b'{"label": "x", "caldav_path": "/calendars/alice/calendar/"}', ["Content-Type: application/json"])
        check(f"but not {method} {path}", got.status == 403, got)
    for path in ("users/me/", "calendars/", "account/export/"):
        got = reads.ask("GET", "/api/v1.0/" + path)
        check(f"and one that only reads does not open {path}", got.status == 403, got)
    return whole


def kept(whole):
    """All that is there, as one who may everything sees it."""
    ask = f"<D:propfind {SPACES}><D:prop><D:getetag/><D:displayname/><D:resourcetype/><CS:getctag/></D:prop></D:propfind>"
    seen = [whole.ask("PROPFIND", path, ask, ["Depth: 1"]) for path in (HOME, SHOWN, HIDDEN)]
    check("what is there can be listed", all(got.status == 207 for got in seen), seen)
    return [sorted(re.findall(r"<D:response>.*?</D:response>", got.text, re.S)) for got in seen]


CHANGE = f'<D:propertyupdate {SPACES}><D:set><D:prop><D:displayname>x</D:displayname></D:prop></D:set></D:propertyupdate>'
LOCK = f"<D:lockinfo {SPACES}><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockinfo>"
ACL = f"<D:acl {SPACES}><D:ace><D:principal><D:all/></D:principal><D:grant><D:privilege><D:all/></D:privilege></D:grant></D:ace></D:acl>"
SHARE = f'<CS:share {SPACES}><CS:set><D:href>mailto:bob@example.com</D:href><CS:read-write/></CS:set></CS:share>'
QUERY = f'<C:calendar-query {SPACES}><D:prop><D:getetag/><C:calendar-data/></D:prop><C:filter><C:comp-filter name="VCALENDAR"/></C:filter></C:calendar-query>'


def reads_alone(site, reads):
    """One that only reads, with every trick: it changes nothing."""
    for name, lines in TRICKS.items():
        got = reads.ask("PROPFIND", SHOWN, ASK, ["Depth: 0", *lines])
        check(f"what only reads reads, or is refused, with {name}", got.status in (0, 207, 400, 401, 403), got)
        for method, path, body in [
            ("PUT", SHOWN + "b.ics", EVENT.format("b", "x")),
            ("DELETE", SHOWN + "a.ics", b""),
            ("PROPPATCH", SHOWN, CHANGE),
            ("MKCALENDAR", HOME + "new/", b""),
        ]:
            got = reads.ask(method, path, body, lines)
            check(f"what only reads does no {method} with {name}", got.status in (0, 400, 401, 403), got)
    got = reads.ask("PROPFIND", SHOWN, ASK, ["Depth: 0"])
    check("what only reads does read", got.status == 207, got)
    to = [f"Destination: {site.url}{SHOWN}c.ics"]
    for method, path, body, lines in [
        ("COPY", SHOWN + "a.ics", b"", to),
        ("MOVE", SHOWN + "a.ics", b"", to),
        ("MOVE", SHOWN, b"", [f"Destination: {site.url}{HOME}new/"]),
        ("MKCOL", HOME + "new/", b"", []),
        ("LOCK", SHOWN + "a.ics", LOCK, []),
        ("ACL", SHOWN, ACL, []),
        ("POST", SHOWN, SHARE, []),
        ("POST", SHOWN + "?add-member", EVENT.format("b", "x"), ["Content-Type: text/calendar"]),
        ("POST", SHOWN, EVENT.format("b", "x"), ["Content-Type: text/calendar"]),
        ("DELETE", SHOWN, b"", []),
        ("DELETE", HOME, b"", []),
        ("PROPPATCH", HOME, CHANGE, []),
        ("PROPPATCH", "/dav/principals/alice/", CHANGE, []),
        ("PUT", "/api/v1.0/caldav/calendars/alice/calendar/b.ics", EVENT.format("b", "x"), []),
        ("PUT", "/dav/alice/calendar/b.ics", EVENT.format("b", "x"), []),
    ]:
        got = reads.ask(method, path, body, lines)
        check(f"what only reads does no {method} {path}", got.status in (400, 403, 404, 405, 415), got)


def no_other(site, part, tag):
    """One for a calendar, with every trick: nothing else is there."""
    clean = lambda got: OUTSIDE not in got.text + str(got.headers)
    for name, lines in TRICKS.items():
        got = part.ask("PROPFIND", HOME, ASK, ["Depth: 1", *lines])
        listed = got.status == 207 and SHOWN in got.text and "tasks" not in got.text and "inbox" not in got.text
        check(f"what is for one calendar lists no other with {name}", got.status in (0, 400, 401, 403) or listed, got)
        for method, path, body, more in [
            ("PROPFIND", HIDDEN, ASK, ["Depth: 1"]),
            ("GET", HIDDEN + "q.ics", b"", []),
            ("REPORT", HIDDEN, QUERY, ["Depth: 1"]),
            ("PUT", HIDDEN + "b.ics", TASK.format("b", "x"), []),
            ("DELETE", HIDDEN + "q.ics", b"", []),
            ("COPY", SHOWN + "a.ics", b"", [f"Destination: {site.url}{HIDDEN}c.ics"]),
        ]:
            got = part.ask(method, path, body, [*more, *lines])
            right = got.status in (0, 400, 401, 403, 404, 409) and clean(got)
            check(f"what is for one calendar gets no {method} elsewhere with {name}", right, got)
    got = part.ask("PROPFIND", HOME, ASK, ["Depth: 1"])
    check("what is for one calendar lists that one", got.status == 207 and SHOWN in got.text and "tasks" not in got.text, got)
    paths = [
        "/dav/alice/tasks/", "/api/v1.0/caldav/calendars/alice/tasks/", "/api/v1.0/caldav/alice/tasks/", HOME + "t%61sks/", HOME + "tasks",
        HOME + "TASKS/", HOME + "/tasks/", HOME + "./tasks/", SHOWN + "../tasks/", SHOWN + "%2e%2e/tasks/", SHOWN + "..%2ftasks/", SHOWN[:-1] + "%2f..%2ftasks/",
        HOME + "tasks;calendar/", HOME + "tasks/?calendar/", HOME + "tasks/%3fcalendar/", "/dav/calendars/ALICE/tasks/", "/dav/./calendars/alice/tasks/",
        "//dav/calendars/alice/tasks/", HOME + "tasks%00/", HOME + "inbox/", HOME + "outbox/", HOME + "notifications/", HOME + "trash/", "/dav/calendars/alice/freebusy",
        "/dav/calendars/bob/", "/dav/principals/bob/", "/dav/principals/groups/staff/", "/dav/principals/alice/calendar-proxy-write/",
    ]
    for path in paths:
        for method, body in [("PROPFIND", ASK), ("GET", b""), ("REPORT", QUERY)]:
            got = part.ask(method, path, body, ["Depth: 1"])
            check(f"what is for one calendar gets no {method} of {path}", (got.status in (0, 301, 400, 403, 404, 405) or got.status == 308) and clean(got), got)
    for host in ("localhost", "127.0.0.1", "kalends", "kalends-api", "cal.example.test:1"):
        got = part.ask("PROPFIND", HIDDEN, ASK, ["Depth: 1"], first=host)
        check(f"nor as {host}", got.status in (0, 400, 401, 403, 404, 421) and clean(got), got)
    got = part.ask("PROPFIND", site.url + HIDDEN, ASK, ["Depth: 1"])
    check("nor by a whole address", got.status in (0, 400, 403, 404) and clean(got), got)
    for there in (HIDDEN + "c.ics", site.url + HIDDEN, HOME + "new/", site.url + HOME + "t%61sks/c.ics", site.url + "/dav/alice/tasks/c.ics", site.url + "/dav/calendars/bob/calendar/c.ics", SHOWN + "../tasks/c.ics", "https://kalends" + HIDDEN + "c.ics"):
        for method in ("COPY", "MOVE"):
            for source in (SHOWN + "a.ics", SHOWN):
                got = part.ask(method, source, b"", [f"Destination: {there}", "Overwrite: T"])
                check(f"no {method} of {source} to {there}", got.status in (400, 403, 404, 405, 409, 502) and clean(got), got)
    for method in ("COPY", "MOVE"):
        got = part.ask(method, HIDDEN + "q.ics", b"", [f"Destination: {site.url}{SHOWN}q.ics"])
        check(f"no {method} of what is elsewhere into it", got.status == 404 and clean(got), got)
    hrefs = [HIDDEN + "q.ics", "/dav/alice/tasks/q.ics", site.url + HIDDEN + "q.ics", SHOWN + "../tasks/q.ics", HOME + "t%61sks/q.ics", "/api/v1.0/caldav/calendars/alice/tasks/q.ics"]
    multiget = f"<C:calendar-multiget {SPACES}><D:prop><D:getetag/><C:calendar-data/></D:prop>{''.join(f'<D:href>{href}</D:href>' for href in hrefs)}</C:calendar-multiget>"
    reports = {
        "calendar-multiget": multiget,
        "calendar-query": QUERY,
        "sync-collection": f"<D:sync-collection {SPACES}><D:sync-token/><D:sync-level>infinite</D:sync-level><D:prop><D:getetag/><D:displayname/></D:prop></D:sync-collection>",
        "free-busy-query": f'<C:free-busy-query {SPACES}><C:time-range start="20260101T000000Z" end="20270101T000000Z"/></C:free-busy-query>',
        "expand-property": f'<D:expand-property {SPACES}><D:property name="current-user-principal"><D:property name="calendar-home-set" namespace="urn:ietf:params:xml:ns:caldav"><D:property name="displayname"/></D:property></D:property></D:expand-property>',
        "principal-property-search": f"<D:principal-property-search {SPACES}><D:property-search><D:prop><D:displayname/></D:prop><D:match>b</D:match></D:property-search><D:prop><D:displayname/></D:prop></D:principal-property-search>",
    }
    for name, body in reports.items():
        for path in (SHOWN, HOME, "/dav/principals/"):
            got = part.ask("REPORT", path, body, ["Depth: 1"])
            # Of what was asked for by its address is told that it is not there.
            text = got.text.replace("tasks/q.ics", "").replace("t%61sks/q.ics", "")
            right = got.status < 500 and clean(got) and "tasks" not in text and "/bob/" not in text
            check(f"{name} at {path} tells of nothing else", right and "getetag>" not in (got.text if name == "calendar-multiget" else ""), got)
    put = EVENT.format("a", "tagged")
    for where in (site.url + HIDDEN + "q.ics", HIDDEN + "q.ics"):
        got = part.ask("PUT", SHOWN + "a.ics", put, [f"If: <{where}> ([{tag}])"])
        check(f"a condition on {where} that holds does not", got.status == 412, got)
    for method, path, body, lines in [
        ("DELETE", SHOWN, b"", []),
        ("MKCALENDAR", HOME + "new/", b"", []),
        ("MKCOL", HOME + "new/", b"", []),
        ("PROPPATCH", HOME, CHANGE, []),
        ("ACL", SHOWN, ACL, []),
        ("POST", SHOWN, SHARE, []),
        ("LOCK", HIDDEN + "q.ics", LOCK, []),
        ("GET", "/api/v1.0/calendars/", b"", []),
        ("GET", "/api/v1.0/app-passwords/", b"", []),
        ("GET", "/api/v1.0/account/export/", b"", []),
        ("DELETE", "/api/v1.0/trash/x/", b"", []),
    ]:
        got = part.ask(method, path, body, lines)
        check(f"what is for one calendar does no {method} {path}", got.status in (403, 404, 405) and clean(got), got)
    got = part.ask("PUT", SHOWN + "mine.ics", EVENT.format("mine", "x"))
    check("but it writes there", got.status == 201, got)
    got = part.ask("DELETE", SHOWN + "mine.ics")
    check("and deletes there", got.status == 204, got)


def run(site):
    owner = Owner(site)
    whole = side_by_side(site, owner)
    for user in ["bob", "alice/k/rw/*", "alice/", "", "nobody"]:
        got = site.propfind("/dav/", {"Authorization": basic(user, whole.password)})
        check(f"it is nobody's but hers: {user!r}", got.status == 401, got)
    for path, text in [(SHOWN + "a.ics", EVENT.format("a", "x")), (HIDDEN + "q.ics", TASK.format("q", OUTSIDE))]:
        got = whole.ask("PUT", path, text)
        check(f"she has {path}", got.status == 201, got)
    tag = whole.ask("GET", HIDDEN + "q.ics").headers["etag"]
    _, reads = owner.password(read_only=True)
    _, part = owner.password(calendars=["calendar"])
    before = kept(whole)
    reads_alone(site, reads)
    check("what only reads has changed nothing", kept(whole) == before, before)
    before = kept(whole)[2]
    no_other(site, part, tag)
    after = kept(whole)[2]
    check("what is for one calendar has changed nothing elsewhere", after == before, (before, after))
    gone, lost = owner.password()
    for _ in range(3):
        check("another signs in", lost.ask("PROPFIND", "/dav/", ASK, ["Depth: 0"]).status == 207)
    check("she ends it in the browser", owner.call("DELETE", f"app-passwords/{gone}/").status == 204)
    got = lost.ask("PROPFIND", "/dav/", ASK, ["Depth: 0"])
    check("what is revoked is of no use at the next request", got.status == 401, got)
    answers = [site.propfind("/dav/", {"Authorization": basic("victim", f"guess{n}")}) for n in range(7)]
    check("who guesses is told to wait", answers[-1].status == 401 and "retry-after" in answers[-1].headers, answers[-1].headers)
    check("and others are not", whole.ask("PROPFIND", "/dav/", ASK, ["Depth: 0"]).status == 207)
    answers = [site.propfind("/dav/", {"Authorization": basic("alice", f"guess{n}")}) for n in range(8)]
    check("nor is she who is guessed at", answers[-1].status == 401, answers[-1])
    _, fresh = owner.password()
    check("by a password of yesterday or of now", [one.ask("PROPFIND", "/dav/", ASK, ["Depth: 0"]).status for one in (whole, fresh)] == [207, 207])


def database_away(site, owner):
    """Programs forget a password that they are told is wrong, so nobody is told that while nobody can know."""
    _, late = owner.password()
    cluster = Path(site.env["SOCKET"]).parent / "cluster"
    pid = int(next(cluster.rglob("postmaster.pid")).read_text().split()[0])
    os.kill(pid, signal.SIGINT)
    while Path(f"/proc/{pid}").exists():
        time.sleep(0.05)
    for one, name in ((late, "a right one"), (Program(site, "wrong"), "a wrong one")):
        got = one.ask("PROPFIND", "/dav/", ASK, ["Depth: 0"])
        check(f"where the database is away {name} is not told to be wrong", got.status >= 500 and not got.challenge, got)


def main():
    directory, proxy = sys.argv[1:3]
    env = {**os.environ, "NGINX_VARIANT": "app-passwords", "APACHE_PASSWORDS": "app-passwords"}
    subprocess.run([HERE / "site.sh", "start", directory, proxy], env=env, check=True)
    try:
        site = Site(directory)
        run(site)
        database_away(site, Owner(site))
    finally:
        subprocess.run([HERE / "site.sh", "stop", directory], check=False)
    print(f"{tally.passed} passed, {tally.failed} failed")
    sys.exit(tally.failed > 0 or tally.passed == 0)


if __name__ == "__main__":
    main()

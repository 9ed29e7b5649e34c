#!/usr/bin/env python3
"""Passwords that people make for single programs, through a shipped configuration as it is shipped.

usage: app_passwords.py DIR apache|nginx      starts a site of its own in DIR, without a provider, and stops it

Each check is a line; the last says "N passed, N failed".
"""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

from check_logins import ASK, EVENT, XML, Site, check, tally

HERE = Path(__file__).resolve().parent
HOME = "/dav/calendars/alice/"
# What somebody might send who would like the proxy, or kalends, to forget how far the password reaches.
TRICKS = {
    "nothing": {},
    "a name": {"X-Forwarded-User": "alice"},
    "a name with an underscore": {"X_Forwarded_User": "alice"},
    "a whole value": {"X-Forwarded-User": "alice/k/rw/*"},
    "another kind": {"X-Forwarded-Auth-Type": "Basic"},
    "both": {"X-Forwarded-User": "alice", "X-Forwarded-Auth-Type": "session", "X-Forwarded-Sub": "s"},
    "what the check says": {"X-Auth-User": "alice", "Variable-KALENDS_PRINCIPAL": "alice", "KALENDS_PRINCIPAL": "alice"},
    "an order to drop the name": {"Connection": "close, X-Forwarded-User"},
    "an order to drop the kind": {"Connection": "close, X-Forwarded-Auth-Type"},
    "an order to drop both": {"Connection": "X-Forwarded-User, X-Forwarded-Auth-Type, X-Kalends-Secret"},
    "an order to drop, and names": {"Connection": "close, X-Forwarded-User", "Remote-User": "alice", "X-Remote-User": "alice"},
}


def basic(user, secret):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()}


class Owner:
    """Alice, signed in at the REST service."""

    def __init__(self, site):
        self.site = site

    def call(self, method, path, body=None):
        line = ["curl", "-s", "-X", method, "--unix-socket", self.site.env["API"], f"http://kalends/api/v1.0/{path}"]
        headers = {
            "X-Forwarded-User": "alice", "X-Forwarded-Auth-Type": "session", "X-Forwarded-Sub": "sub-of-alice",
            "X-Kalends-Secret": self.site.env["SECRET"], "Content-Type": "application/json",
        }
        for name, value in headers.items():
            line += ["-H", f"{name}: {value}"]
        text = subprocess.run(line + (["-d", json.dumps(body)] if body else []), capture_output=True, text=True, check=True).stdout
        return json.loads(text) if text else None

    def password(self, **wish):
        made = self.call("POST", "app-passwords/", {"label": "test", **wish})
        return made["id"], basic("alice", made["secret"])


def run(site):
    owner = Owner(site)
    _, whole = owner.password()
    got = site.propfind("/dav/", whole)
    check("a password signs in", got.status == 207 and got.principal == "alice", got)
    hidden, shown = HOME + "tasks/", HOME + "calendar/"
    got = site.send("PUT", shown + "a.ics", EVENT.format("a", "x").encode(), {**whole, "Content-Type": "text/calendar"})
    check("and writes", got.status == 201, got)
    got = site.propfind("/dav/", basic("alice", "wrong"))
    one = (got.challenge or "").count("Basic") == 1
    check("a wrong one is asked for another, once", got.status == 401 and one, got)
    for user in ["bob", "alice/k/rw/*", "alice/", ""]:
        headers = basic(user, base64.b64decode(whole["Authorization"][6:]).decode().split(":", 1)[1])
        got = site.propfind("/dav/", headers)
        check(f"it is nobody's but hers: {user!r}", got.status == 401, got)
    _, reads = owner.password(read_only=True)
    _, part = owner.password(calendars=["calendar"])
    change = b'<propertyupdate xmlns="DAV:"><set><prop><displayname>x</displayname></prop></set></propertyupdate>'
    for name, trick in TRICKS.items():
        got = site.send("PROPFIND", shown, ASK, {**XML, **reads, **trick})
        check(f"what only reads reads, or is refused, with {name}", got.status in (207, 400, 403), got)
        check(f"and does read with {name}", trick != {} or got.status == 207, got)
        for method, path, body in [
            ("PUT", shown + "b.ics", EVENT.format("b", "x").encode()),
            ("DELETE", shown + "a.ics", None),
            ("PROPPATCH", shown, change),
            ("MKCALENDAR", HOME + "new/", None),
        ]:
            got = site.send(method, path, body, {**reads, **trick})
            check(f"what only reads does no {method} with {name}", got.status in (400, 403), got)
        got = site.send("PROPFIND", HOME, ASK, {**part, **trick, "Depth": "1", "Content-Type": "application/xml"})
        right = got.status in (400, 403) or (got.status == 207 and shown in got.text and "tasks" not in got.text and "inbox" not in got.text)
        check(f"what is for one calendar lists no other with {name}", right, got)
        check(f"and does list it with {name}", trick != {} or got.status == 207, got)
        for method, path, more in [
            ("PROPFIND", hidden, {}),
            ("GET", hidden + "x.ics", {}),
            ("PUT", hidden + "b.ics", {}),
            ("COPY", shown + "a.ics", {"Destination": site.url + hidden + "c.ics"}),
            ("PROPFIND", "/dav/calendars/alice/calendar/%2e%2e/tasks/", {}),
        ]:
            got = site.send(method, path, EVENT.format("b", "x").encode() if method == "PUT" else None, {**part, **trick, **more})
            check(f"what is for one calendar gets no {method} elsewhere with {name}", got.status in (400, 403, 404, 409), got)
    gone, lost = owner.password()
    check("another signs in", site.propfind("/dav/", lost).status == 207)
    owner.call("DELETE", f"app-passwords/{gone}/")
    got = site.propfind("/dav/", lost)
    check("what is revoked is of no use at the next request", got.status == 401, got)
    answers = [site.propfind("/dav/", basic("victim", f"guess{n}")) for n in range(7)]
    check("who guesses is told to wait", answers[-1].status == 401 and "retry-after" in answers[-1].headers, answers[-1].headers)
    check("and others are not", site.propfind("/dav/", whole).status == 207)


def main():
    directory, proxy = sys.argv[1:3]
    env = {**os.environ, "NGINX_VARIANT": "app-passwords", "APACHE_PASSWORDS": "app-passwords", "ISSUER": "https://127.0.0.1:9/realms/none"}
    subprocess.run([HERE / "site.sh", "start", directory, proxy], env=env, check=True)
    try:
        run(Site(directory))
    finally:
        subprocess.run([HERE / "site.sh", "stop", directory], check=False)
    print(f"{tally.passed} passed, {tally.failed} failed")
    sys.exit(tally.failed > 0 or tally.passed == 0)


main()

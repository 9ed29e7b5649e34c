"""Named checks, run in order, one line each; the closing line counts them. Shared by the Python drivers."""

import base64
import http.client
import json
import os
import pathlib
import sys
import traceback
import urllib.parse

URL = os.environ.get("DAV_URL", "http://127.0.0.1:8080").rstrip("/")
ROOT = os.environ.get("DAV_ROOT", "/dav/")
HOME = os.environ.get("DAV_HOME", "/dav/calendars/{user}/")
NAMESPACES = 'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:A="http://apple.com/ns/ical/"'

_checks = []


# App passwords, where mint.py made some: by user, or by user and reach ("alice reads").
MINTED = json.loads(pathlib.Path(os.environ["DAV_PASSWORDS"]).read_text()) if "DAV_PASSWORDS" in os.environ else {}


def password(user, reach=""):
    """That user's password: an app password of this reach, or the one that nginx.sh gave them."""
    return MINTED[f"{user} {reach}".strip()] if MINTED else user + os.environ.get("DAV_PASSWORD_TAIL", "-secret")


def home(user):
    """The path of that user's calendar home."""
    return HOME.replace("{user}", user)


def check(name):
    """Registers a function as the check of that name. It passes when it returns without an exception."""

    def register(function):
        _checks.append((name, function))
        return function

    return register


def run():
    """Runs every check in the order of the file and ends the process: 0 when all passed."""
    failed = 0
    for name, function in _checks:
        try:
            function()
            print("ok  ", name, flush=True)
        except Exception as fault:  # whatever a client library throws is a failed check
            failed += 1
            where = traceback.extract_tb(fault.__traceback__)[-1]
            text = " ".join(f"{type(fault).__name__}: {fault}".split())[:600]
            print("FAIL", name, f"[{os.path.basename(where.filename)}:{where.lineno}: {where.line}] {text}", flush=True)
    print(f"{len(_checks) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


def same(got, wanted):
    """Fails with both values when they differ."""
    assert got == wanted, f"got {got!r}, wanted {wanted!r}"


def request(method, path, body=None, user="alice", **headers):
    """One plain HTTP request, as another client would send it: (status, headers in lower case, body)."""
    at = urllib.parse.urlsplit(URL)
    connect = http.client.HTTPSConnection if at.scheme == "https" else http.client.HTTPConnection
    connection = connect(at.hostname, at.port, timeout=30)
    login = base64.b64encode(f"{user}:{password(user)}".encode()).decode()
    fields = {"Authorization": f"Basic {login}", "User-Agent": "kalends-tests"}
    fields.update({name.replace("_", "-"): value for name, value in headers.items()})
    try:
        connection.request(method, path, body.encode() if isinstance(body, str) else body, fields)
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, text
    finally:
        connection.close()


def put(path, data, user="alice", **headers):
    """PUTs iCalendar data; fails unless the server took it. Answers the headers."""
    headers.setdefault("Content_Type", "text/calendar; charset=utf-8")
    status, fields, text = request("PUT", path, data, user, **headers)
    assert status in (201, 204), (status, text)
    return fields


def xml(method, path, body, user="alice", **headers):
    """A request with an XML body, in which D:, C: and A: are bound by `{ns}`."""
    headers.setdefault("Content_Type", "application/xml; charset=utf-8")
    return request(method, path, body.replace("{ns}", NAMESPACES), user, **headers)


def event(uid, summary, start="20270104T100000Z", end="20270104T110000Z", *lines):
    """An iCalendar object with one VEVENT, CRLF line ends."""
    return _object("VEVENT", uid, f"DTSTART:{start}", f"DTEND:{end}", f"SUMMARY:{summary}", *lines)


def todo(uid, summary, *lines):
    """An iCalendar object with one VTODO, CRLF line ends."""
    return _object("VTODO", uid, f"SUMMARY:{summary}", *lines)


def _object(kind, uid, *lines):
    head = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//kalends//client tests//EN", f"BEGIN:{kind}", f"UID:{uid}", "DTSTAMP:20270101T000000Z"]
    return "\r\n".join([*head, *lines, f"END:{kind}", "END:VCALENDAR", ""])

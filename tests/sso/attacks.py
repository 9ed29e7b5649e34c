#!/usr/bin/env python3
"""The attack matrix: what clients try in order to be somebody else, through a site's proxy and straight at the socket.

usage: attacks.py DIR        DIR is that of a site which site.sh has started

Every attack is sent by nobody, by alice with her password, and by alice's session or token where it matters. It is
answered to nobody, or to alice; an answer to anybody else, or one that carries a forged name, address or group, is a
failure. Afterwards everybody must still be who they were.
"""

import base64
import http.client
import json
import re
import socket
import subprocess
import sys

from flows import Site

EVIL = "mallory"
ASK = (
    b'<propfind xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><prop><current-user-principal/><displayname/>'
    b"<C:calendar-user-address-set/><group-membership/></prop></propfind>"
)

# The headers that decide, or that some other software lets decide, who somebody is; with what they would say.
CLAIMS = [
    ("X-Forwarded-User", EVIL),
    ("X-Forwarded-Email", f"{EVIL}@evil.test"),
    ("X-Forwarded-Name", f"{EVIL} the Great"),
    ("X-Forwarded-Sub", f"{EVIL}-sub"),
    ("X-Forwarded-Groups", f"/{EVIL}s"),
    ("X-Forwarded-Auth-Type", "Basic"),
    ("X-Forwarded-Token", "eyJhbGciOiJub25lIn0.eyJwcmVmZXJyZWRfdXNlcm5hbWUiOiJtYWxsb3J5In0."),
    ("X-Kalends-Secret", "{secret}"),
    ("Remote-User", EVIL),
    ("X-Remote-User", EVIL),
    ("X-Auth-User", EVIL),
    ("X-Auth-Request-User", EVIL),
    ("X-WebAuth-User", EVIL),
    ("OIDC_CLAIM_preferred_username", EVIL),
    ("OIDC_CLAIM_email", f"{EVIL}@evil.test"),
    ("OIDC_CLAIM_sub", f"{EVIL}-sub"),
    ("OIDC_CLAIM_groups", f"/{EVIL}s"),
    ("OIDC_access_token", "x"),
    ("KALENDS_PRINCIPAL", EVIL),
]

# How a header is written so that one reader sees it and another does not.
SPELLINGS = [
    ("as it is", lambda name, value: [f"{name}: {value}"]),
    ("in small letters", lambda name, value: [f"{name.lower()}: {value}"]),
    ("in capitals", lambda name, value: [f"{name.upper()}: {value}"]),
    ("with underscores", lambda name, value: [f"{name.replace('-', '_')}: {value}"]),
    ("with dots", lambda name, value: [f"{re.sub('[-_]', '.', name)}: {value}"]),
    ("with hyphens", lambda name, value: [f"{name.replace('_', '-')}: {value}"]),
    ("twice", lambda name, value: [f"{name}: {value}", f"{name}: {value}"]),
    ("empty, then again", lambda name, value: [f"{name}:", f"{name}: {value}"]),
    ("with a space before the colon", lambda name, value: [f"{name} : {value}"]),
    ("folded", lambda name, value: [f"{name}:", f" {value}"]),
    ("behind a folded header", lambda name, value: ["X-Other: a", f"\t{name}: {value}"]),
    ("behind a bare line feed", lambda name, value: [f"X-Other: a\n{name}: {value}"]),
    ("behind a bare carriage return", lambda name, value: [f"X-Other: a\r{name}: {value}"]),
    ("behind a NUL", lambda name, value: [f"X-Other: a\0{name}: {value}"]),
    ("named by Connection", lambda name, value: [f"Connection: close, {name}", f"{name}: {value}"]),
]
# The whole product would be long: every claim in the first spellings, the deciding two in all.
THOROUGH = {"X-Forwarded-User", "X-Kalends-Secret", "X-Forwarded-Auth-Type"}
COMMON = 4

# What strips, splits or misleads, whatever the claims.
REQUESTS = [
    ("Connection strips what the proxy added", ["Connection: close, X-Forwarded-User, X-Kalends-Secret"]),
    ("Connection strips the user alone", ["Connection: X-Forwarded-User"]),
    ("Connection strips the subject", ["Connection: X-Forwarded-Sub, X-Forwarded-Groups"]),
    ("Connection strips the kind", ["Connection: X-Forwarded-Auth-Type"]),
    ("Connection strips the subject, and the kind is Basic", ["Connection: X-Forwarded-Sub", "X-Forwarded-Auth-Type: Basic"]),
    ("Connection strips Authorization", ["Connection: close, Authorization"]),
    ("Proxy-Connection strips the user", ["Proxy-Connection: X-Forwarded-User"]),
    ("Keep-Alive and TE name the user", ["TE: X-Forwarded-User", "Keep-Alive: X-Forwarded-User"]),
    ("a trailer named in advance", ["Trailer: X-Forwarded-User"]),
    ("two hosts", ["Host: localhost"]),
    ("a foreign X-Forwarded-Host", ["X-Forwarded-Host: evil.test"]),
    ("a foreign Forwarded", [f"Forwarded: for=127.0.0.1;host=evil.test;by={EVIL}"]),
    ("X-Original-URL", ["X-Original-URL: /.well-known/caldav", "X-Rewrite-URL: /.well-known/caldav"]),
    ("another method in a header", ["X-HTTP-Method-Override: OPTIONS", "X-HTTP-Method: OPTIONS"]),
    ("a forged origin of the request", ["X-Forwarded-For: 127.0.0.1", "X-Real-IP: 127.0.0.1"]),
    ("a cookie that is no session", ["Cookie: mod_auth_openidc_session=" + "0" * 36]),
    ("a cookie full of separators", ["Cookie: ;;; mod_auth_openidc_session=;=;"]),
    ("a preflight that is none", ["Origin: https://evil.test", "Access-Control-Request-Method: PUT"]),
    ("Upgrade to h2c", ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"]),
]

# Targets that one reader takes for public and another for a calendar.
TARGETS = [
    "/.well-known/caldav/../dav/",
    "/.well-known/..%2fdav/",
    "/.well-known/%2e%2e/dav/",
    "/ical/..%2F..%2Fdav/principals/alice/",
    "/ical/%2e%2e/dav/",
    "/ical/../dav/",
    "/oidc/..%2fdav/",
    "/oidc/../dav/",
    "/dav/..%2Fical/x",
    "//dav/",
    "/./dav/",
    "/%64av/",
    "/DAV/",
    "/dav;/",
    "/dav/%00",
    "/dav/%2e%2e/%2e%2e/",
    "/dav%2F",
    "/dav/principals/alice%2F..%2Fbob/",
    "/dav/principals/alice/..%5Cbob/",
    "/dav/%c0%ae%c0%ae/",
    "/api/v1.0/caldav/..%2f..%2f..%2fdav/",
    "/api/v1.0/../../dav/",
    "/dav/?X-Forwarded-User=mallory",
    "/dav/?access_token=x&user=mallory",
    "http://localhost/dav/",
    "https://evil.test/dav/",
    "*",
    "dav/",
]


class Matrix:
    def __init__(self, site):
        self.site = site
        self.passed = self.failed = 0

    def verdict(self, name, fault):
        if fault:
            self.failed += 1
            print(f"FAIL {name}: {fault}")
        else:
            self.passed += 1
            print(f"ok   {name}")

    def through(self, name, lines, who, **how):
        """One attack through the proxy, by `who` (a set of headers and the name that they prove)."""
        for proven, credentials in who:
            label = f"{name}, by {proven or 'nobody'}"
            status, text = self.site_exchange(lines + credentials, **how)
            self.verdict(label, judge(status, text, proven))

    def site_exchange(self, lines, **how):
        lines = [line.replace("{secret}", self.site.secret) for line in lines]
        return exchange(self.site.connect, self.site.authority, lines, **how)


def exchange(connect, host, lines, method="PROPFIND", target="/dav/", version="HTTP/1.1", body=ASK):
    """Sends what no well-behaved client sends; answers (status, text), status 0 for a connection closed unanswered."""
    head = [f"{method} {target} {version}", f"Host: {host}", "Depth: 0", "Content-Type: application/xml"]
    head += [f"Content-Length: {len(body)}"] + lines
    with connect() as stream:
        try:
            stream.sendall("\r\n".join(head).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body)
            return answer(stream, method)
        except TimeoutError:
            return 504, "no answer, and no end of the connection"
        except (OSError, http.client.HTTPException):
            return 0, ""


def answer(stream, method):
    response = http.client.HTTPResponse(stream, method=method)
    response.begin()
    text = response.read().decode("utf-8", "replace")
    return response.status, text + "".join(f"{name}: {value}\n" for name, value in response.getheaders())


def judge(status, text, proven):
    """What is wrong with an answer to somebody who has proven to be `proven`, or nobody."""
    principal = re.search(r"<D:current-user-principal>\s*<D:href>[^<]*/principals/([^/<]+)/", text)
    if principal and principal[1] != proven:
        return f"{status}, served as {principal[1]}"
    if EVIL in text and status == 207:
        return f"{status}, a forged claim came through: {text[:300]}"
    if status == 207 and not proven:
        return "207 to nobody"
    if status >= 500 and status not in (501, 505):
        return f"{status}: the attack broke something"
    return None


def basic(user, password):
    return ["Authorization: Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()]


def proxy_attacks(matrix):
    site = matrix.site
    alice = ("alice", basic("alice", "alice-secret"))
    bearer = ("alice", [f"Authorization: Bearer {site.device_token('alice')}"])
    session = ("alice", [f"Cookie: {site.session('alice').cookie_header()}"])
    everybody = [(None, []), alice]
    for claim, value in CLAIMS:
        spellings = SPELLINGS if claim in THOROUGH else SPELLINGS[:COMMON]
        for spelling, write in spellings:
            who = everybody + ([bearer, session] if spelling == "as it is" else [])
            matrix.through(f"{claim} {spelling}", write(claim, value), who)
    together = [f"{claim}: {value}" for claim, value in CLAIMS]
    for version in ("HTTP/1.0", "HTTP/1.1"):
        matrix.through(f"all claims at once, {version}", together, everybody + [bearer, session], version=version)
    for name, lines in REQUESTS:
        matrix.through(name, lines, everybody + [bearer, session])
    for target in TARGETS:
        matrix.through(f"target {target}", together[:1], everybody, target=target)
    for method in ("GET", "OPTIONS", "REPORT", "PUT", "TRACE", "CONNECT", "propfind", "PROPFIND/", "DEBUG"):
        matrix.through(f"method {method}", together[:1], everybody, method=method)


def credentials(matrix):
    """What proves nothing, and two proofs at once."""
    site = matrix.site
    other = site.client_token("other")
    nothing = {
        "a wrong password": basic("alice", "wrong"),
        "an empty password": basic("alice", ""),
        "no such user": basic(EVIL, "x"),
        "a user with a colon and a NUL": basic("alice\0", "alice-secret"),
        "Basic that is not base64": ["Authorization: Basic ***"],
        "an empty Authorization": ["Authorization:"],
        "a scheme of no name": ["Authorization: alice"],
        "Negotiate": ["Authorization: Negotiate YIIB"],
        "another client's token": [f"Authorization: Bearer {other}"],
        "no token": ["Authorization: Bearer "],
        "a token of nothing": ["Authorization: Bearer x.y.z"],
        "a token without signature": [f"Authorization: Bearer {unsigned(site.device_token('alice'))}"],
        "a token with somebody else's claims": [f"Authorization: Bearer {resigned(site.device_token('alice'))}"],
        "another client's token as a cookie": [f"Cookie: mod_auth_openidc_session={other}"],
        "another client's token twice": [f"Authorization: Bearer {other}"] * 2,
        "a token too long": ["Authorization: Bearer " + "x" * 20_000],
    }
    for name, lines in nothing.items():
        matrix.through(name, [], [(None, lines)])
        matrix.through(f"{name}, and a claim", [f"X-Forwarded-User: {EVIL}"], [(None, lines)])
    session = f"Cookie: {site.session('alice').cookie_header()}"
    for name, lines, proven in [
        ("alice's session and a wrong password", [session] + basic("bob", "wrong"), None),
        ("alice's session and bob's password", [session] + basic("bob", "bob-secret"), "bob"),
        ("alice's session and another client's token", [session, f"Authorization: Bearer {other}"], None),
        ("bob's password and alice's, in that order", basic("bob", "bob-secret") + basic("alice", "alice-secret"), "bob"),
    ]:
        status, text = matrix.site_exchange(lines)
        matrix.verdict(name, judge(status, text, proven))


def unsigned(token):
    """The same claims for somebody else, with `alg: none`."""
    head = encode({"alg": "none", "typ": "JWT"})
    return f"{head}.{forged(token)}."


def resigned(token):
    """Somebody else's claims under the signature of the first."""
    head, _, signature = token.split(".")
    return f"{head}.{forged(token)}.{signature}"


def forged(token):
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return encode(claims | {"preferred_username": EVIL, "sub": f"{EVIL}-sub"})


def encode(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def one_connection(matrix):
    """Whoever comes second on a connection is not who came first."""
    site = matrix.site
    length = [f"Content-Length: {len(ASK)}", "Depth: 0", "Content-Type: application/xml"]

    def request(lines):
        head = ["PROPFIND /dav/ HTTP/1.1", f"Host: {site.authority}"] + length + lines
        return "\r\n".join(head).encode() + b"\r\n\r\n" + ASK

    alice, bob = basic("alice", "alice-secret"), basic("bob", "bob-secret")
    claim = [f"X-Forwarded-User: {EVIL}"]
    turns = [
        ("alice, then nobody", [(alice, "alice"), ([], None)]),
        ("alice, then a claim", [(alice, "alice"), (claim, None)]),
        ("alice, then bob, then nobody", [(alice, "alice"), (bob, "bob"), ([], None)]),
        ("nobody, then alice, then a wrong password", [([], None), (alice, "alice"), (basic("alice", "no"), None)]),
    ]
    for name, parts in turns:
        with site.connect() as stream:
            for number, (lines, proven) in enumerate(parts, 1):
                try:
                    stream.sendall(request(lines))
                    status, text = answer(stream, "PROPFIND")
                except (OSError, http.client.HTTPException):
                    break  # a closed connection inherits nothing
                matrix.verdict(f"one connection: {name}, request {number}", judge(status, text, proven))
    with site.connect() as stream:
        stream.sendall(request(alice) + request([]))
        first = answer(stream, "PROPFIND")
        matrix.verdict("one connection: pipelined, the first", judge(*first, "alice"))
        try:
            matrix.verdict("one connection: pipelined, the second", judge(*answer(stream, "PROPFIND"), None))
        except (OSError, http.client.HTTPException):
            matrix.verdict("one connection: pipelined, the second", None)
    smuggled = b"PROPFIND /dav/ HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-User: mallory\r\nDepth: 0\r\nContent-Length: 0\r\n\r\n"
    for name, lines in [
        ("both lengths", [f"Content-Length: {len(smuggled) + 5}", "Transfer-Encoding: chunked"]),
        ("two lengths", ["Content-Length: 5", f"Content-Length: {len(smuggled) + 5}"]),
        ("a length with a sign", ["Content-Length: +5"]),
        ("chunked in disguise", ["Transfer-Encoding: xchunked", "Content-Length: 5"]),
        ("chunked twice", ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"]),
        ("chunked behind a tab", ["Transfer-Encoding:\tchunked", "Content-Length: 5"]),
    ]:
        head = ["PROPFIND /dav/ HTTP/1.1", f"Host: {site.authority}"] + lines + alice
        with site.connect() as stream:
            stream.settimeout(4)
            try:
                stream.sendall("\r\n".join(head).encode() + b"\r\n\r\n0\r\n\r\n" + smuggled)
                seen = b""
                while block := stream.recv(65536):
                    seen += block
            except OSError:
                pass
            matrix.verdict(f"smuggling: {name}", EVIL.encode() in seen and "the second request was served")


def over_h2(matrix):
    """The same claims in HTTP/2, by curl."""
    site = matrix.site
    for claim, value in CLAIMS:
        for proven, login in ((None, []), ("alice", ["--user", "alice:alice-secret"])):
            value = value.replace("{secret}", site.secret)
            command = ["curl", "-s", "--http2", "--cacert", site.ca, "--max-time", "20", "-X", "PROPFIND", *login]
            command += ["-H", f"{claim}: {value}", "-H", f"{claim.replace('-', '_')}: {value}", "-H", f"{claim}: {value}"]
            # curl 7.88 takes an answer that comes before the end of the body for an error: nobody sends none.
            command += ["-H", "Depth: 0", *(["--data-binary", ASK] if proven else []), "-w", "\n%{http_version} %{http_code}", site.local + "/dav/"]
            out = subprocess.run(command, capture_output=True, text=True, check=False).stdout
            text, _, last = out.rpartition("\n")
            version, status = last.split()
            fault = judge(int(status), text, proven)
            matrix.verdict(f"HTTP/2: {claim}, by {proven or 'nobody'}", fault or (version != "2" and f"was HTTP/{version}"))


def straight(matrix):
    """At kalends' own socket, past the proxy."""
    site = matrix.site

    def connect():
        stream = socket.socket(socket.AF_UNIX)
        stream.settimeout(20)
        stream.connect(site.socket)
        return stream

    user, secret = f"X-Forwarded-User: {EVIL}", f"X-Kalends-Secret: {site.secret}"
    kind, subject = "X-Forwarded-Auth-Type", f"X-Forwarded-Sub: {site.subject('alice')}"
    cases = [
        ("the user alone", [user]),
        ("a wrong secret", [user, "X-Kalends-Secret: wrong-secret-0123456"]),
        ("an empty secret", [user, "X-Kalends-Secret:"]),
        ("half the secret", [user, secret[:-3]]),
        ("the secret twice", [user, secret, secret]),
        ("a wrong secret, then the right one", [user, "X-Kalends-Secret: wrong-secret-0123456", secret]),
        ("the secret under underscores", [user, secret.replace("-", "_", 2)]),
        ("the secret and nobody", [secret]),
        ("the secret and an empty name", ["X-Forwarded-User:", secret]),
        ("the secret and two names", ["X-Forwarded-User: alice", user, secret]),
        ("the secret and a list of names", [f"X-Forwarded-User: alice, {EVIL}", secret]),
        ("the secret and a look-alike", ["X-Forwarded-User: alice", f"X_Forwarded_User: {EVIL}", secret]),
        ("the secret and a look-alike with dots", ["X-Forwarded-User: alice", f"X.Forwarded.User: {EVIL}", secret]),
        ("the secret and a name with a slash", ["X-Forwarded-User: mal/../alice", secret]),
        ("the secret and a name of dots", ["X-Forwarded-User: ..", secret]),
        ("the secret and a name with a space before", ["X-Forwarded-User:  \u00a0alice", secret]),
        ("the secret and a name with a NUL", ["X-Forwarded-User: ali\0ce", secret]),
        ("the secret and a name that is not UTF-8", ["X-Forwarded-User: ali\udce9ce", secret]),
        ("the secret and a name too long", ["X-Forwarded-User: " + "a" * 256, secret]),
        ("the secret and a name with a bidi mark", ["X-Forwarded-User: ali\u202ece", secret]),
        ("Authorization alone", basic("alice", "alice-secret")),
        ("the secret and Authorization", basic("alice", "alice-secret") + [secret]),
        ("the secret and Remote-User", [f"Remote-User: {EVIL}", secret]),
        ("the secret and an OIDC claim", [f"OIDC_CLAIM_preferred_username: {EVIL}", secret]),
        ("the secret, folded", [user, "X-Kalends-Secret:", f" {site.secret}"]),
    ]
    # Without a kind everything is refused: whatever else is wrong with these is to be what refuses them.
    cases = [(name, lines + [f"{kind}: session"]) for name, lines in cases]
    alice = ["X-Forwarded-User: alice", secret]
    cases += [
        ("no kind", alice + [subject]),
        ("an empty kind", alice + [subject, f"{kind}:"]),
        ("the kind twice", alice + [f"{kind}: Basic", f"{kind}: Basic"]),
        ("two kinds", alice + [subject, f"{kind}: session", f"{kind}: Basic"]),
        ("a list of kinds", alice + [f"{kind}: session, Basic"]),
        ("a look-alike of the kind", alice + ["X_Forwarded_Auth_Type: Basic"]),
        ("a kind and its look-alike", alice + [f"{kind}: session", "X.Forwarded.Auth-Type: Basic"]),
        ("a session without its subject", alice + [f"{kind}: session"]),
        ("a token without its subject", alice + [f"{kind}: bearer"]),
        ("a kind that nobody knows, without a subject", alice + [f"{kind}: Basically"]),
        ("a password with a subject", alice + [subject, f"{kind}: Basic"]),
        ("a password with another's subject", alice + [f"X-Forwarded-Sub: {EVIL}-sub", f"{kind}: Basic"]),
    ]
    for name, lines in cases:
        for version in ("HTTP/1.1", "HTTP/1.0"):
            status, text = exchange(connect, "localhost", lines, version=version)
            matrix.verdict(f"straight: {name}, {version}", judge(status, text, None))
    for name, lines in [("a session", [f"{kind}: session", subject]), ("a password", [f"{kind}: Basic"]), ("one in small letters", [f"{kind}: basic"])]:
        status, text = exchange(connect, "localhost", alice + lines)
        fault = judge(status, text, "alice") or (status != 207 and f"{status} {text[:200]}")
        matrix.verdict(f"straight: the proxy itself is heard with {name}", fault)


def afterwards(matrix):
    """Nobody has become anybody else, and nobody of that name has come to be."""
    for user in ("alice", "bob"):
        status, text = matrix.site_exchange(basic(user, f"{user}-secret"), target=f"/dav/principals/{user}/")
        matrix.verdict(f"afterwards: {user} is {user}", judge(status, text, user) or (status != 207 and f"{status}"))
    status, _ = matrix.site_exchange(basic("alice", "alice-secret"), target=f"/dav/principals/{EVIL}/")
    matrix.verdict(f"afterwards: there is no {EVIL}", None if status in (403, 404) else f"{status}")


def main():
    site = Site(sys.argv[1])
    matrix = Matrix(site)
    # Both have signed in before, in either way: there is somebody to be taken for.
    for user in ("alice", "bob"):
        site.session(user)
        matrix.site_exchange(basic(user, f"{user}-secret"))
    for attack in (proxy_attacks, credentials, one_connection, over_h2, straight, afterwards):
        before = matrix.passed + matrix.failed
        attack(matrix)
        print(f"{attack.__name__.replace('_', ' ')}: {matrix.passed + matrix.failed - before} answers judged")
    print(f"{matrix.passed} passed, {matrix.failed} failed")
    return matrix.failed > 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""What it costs to check an app password: at both doors, remembered and looked up; then whole requests through a shipped proxy.

usage: benches/check.py apache|nginx      a release build is made if $KALENDS names no binary; prints tables of Markdown
"""

import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/sso"))

from app_passwords import Owner, basic, bearer, device_token  # noqa: E402
from check_logins import Site  # noqa: E402

MANY, ROUNDS = 60, 10


def told(name, seconds):
    cut = statistics.quantiles(seconds, n=100)
    print(f"| {name} | {statistics.median(seconds) * 1000:.2f} | {cut[94] * 1000:.2f} | {cut[98] * 1000:.2f} | {len(seconds):,} |", flush=True)


def head(title):
    print(f"\n| {title} | median, ms | 95 % | 99 % | of |\n|---|---|---|---|---|")


class Http:
    """nginx' door: a connection for each question, as nginx has it."""

    def __init__(self, site):
        self.path, self.secret = site.env["API"], site.env["SECRET"]

    def ask(self, user, password, client="192.0.2.1"):
        lines = ["GET /internal/auth/check HTTP/1.1", "Host: x", "Connection: close", f"Authorization: {basic(user, password)}", f"X-Forwarded-For: {client}", f"X-Kalends-Secret: {self.secret}", "", ""]
        sent = "\r\n".join(lines).encode()
        began = time.perf_counter()
        with socket.socket(socket.AF_UNIX) as wire:
            wire.connect(self.path)
            wire.sendall(sent)
            answer = wire.recv(65536)
            took = time.perf_counter() - began
        return took, answer.startswith(b"HTTP/1.1 204")


class FastCgi:
    """Apache's door: a connection for each question, as Apache has it."""

    def __init__(self, site):
        host, port = site.env["CHECK"].split(":")
        self.place = (host, int(port))

    def ask(self, user, password, client="192.0.2.1"):
        record = lambda kind, content: bytes([1, kind, 0, 1]) + len(content).to_bytes(2, "big") + b"\0\0" + content
        pairs = {"REMOTE_USER": user, "REMOTE_PASSWD": password, "REMOTE_ADDR": client}
        params = b"".join(bytes([len(name), len(value)]) + (name + value).encode() for name, value in pairs.items())
        sent = record(1, bytes([0, 2, 0, 0, 0, 0, 0, 0])) + record(4, params) + record(4, b"")
        began = time.perf_counter()
        with socket.create_connection(self.place) as wire:
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wire.sendall(sent)
            answer = b""
            while part := wire.recv(65536):
                answer += part
            took = time.perf_counter() - began
        return took, b"Status: 200" in answer


def doors(site, passwords, forget):
    head("the check alone")
    for name, door in [("HTTP", Http(site)), ("FastCGI", FastCgi(site))]:
        fresh, known, wrong, nobody = [], [], [], []
        for turn in range(ROUNDS):
            forget()
            for n, password in enumerate(passwords):
                for where in (fresh, known):
                    took, right = door.ask("alice", password)
                    assert right, name
                    where.append(took)
                for where, user in ((wrong, "alice"), (nobody, "nobody-of-that-name")):
                    took, right = door.ask(user, f"guess-{turn}-{n}", f"198.18.{turn}.{n}")
                    assert not right, name
                    where.append(took)
        told(f"{name}, remembered", known)
        told(f"{name}, looked up", fresh)
        told(f"{name}, a wrong password", wrong)
        told(f"{name}, a name that nobody has", nobody)


def requests(site, owner, passwords, forget, proxy):
    """A poll, over a connection that is kept."""
    body = b'<propfind xmlns="DAV:"><prop><getetag/><sync-token/></prop></propfind>'
    link = http.client.HTTPSConnection("127.0.0.1", int(site.env["SITE_PORT"]), context=site.tls, timeout=60)
    cookies = "; ".join(f"{name}={value}" for name, value in owner.browser.cookies(site.url).items())
    token = device_token(site, "alice")["access_token"]
    host = {"Host": site.url.split("//")[1], "Depth": "0", "Content-Type": "application/xml"}

    def poll(more):
        began = time.perf_counter()
        link.request("PROPFIND", "/dav/calendars/alice/calendar/", body, {**host, **more})
        answer = link.getresponse()
        text = answer.read()
        took = time.perf_counter() - began
        assert answer.status == 207, (answer.status, text[:300])
        return took

    ways = {"app password, remembered": [], "app password, looked up": [], "session": [], "token": []}
    for _ in range(ROUNDS):
        forget()
        for password in passwords:
            says = {"Authorization": basic("alice", password)}
            ways["app password, looked up"].append(poll(says))
            ways["app password, remembered"].append(poll(says))
            ways["session"].append(poll({"Cookie": cookies}))
            ways["token"].append(poll(bearer(token)))
    head(f"a poll through {proxy}")
    for name, seconds in ways.items():
        told(name, seconds)


def main():
    proxy = sys.argv[1]
    if "KALENDS" not in os.environ:
        subprocess.run(["cargo", "build", "--release", "--locked", "--quiet"], cwd=ROOT, check=True)
        target = os.environ.get("CARGO_TARGET_DIR", os.environ.get("KALENDS_CACHE", str(Path.home() / ".cache/kalends")) + "/target")
        os.environ["KALENDS"] = f"{target}/release/kalends"
    with tempfile.TemporaryDirectory(prefix="kalends-check.") as directory:
        os.chmod(directory, 0o755)
        env = {**os.environ, "NGINX_VARIANT": "app-passwords", "APACHE_PASSWORDS": "app-passwords", "KALENDS__API__REQUESTS_PER_MINUTE": "0"}
        subprocess.run([ROOT / "tests/sso/site.sh", "start", directory, proxy], env=env, check=True)
        try:
            site = Site(directory)
            owner = Owner(site)

            def made():
                return json.loads(owner.call("POST", "app-passwords/", {"label": "bench"}).text)

            def forget():
                """What is revoked makes every node look again."""
                assert owner.call("DELETE", f"app-passwords/{made()['id']}/").status == 204
                time.sleep(0.1)

            passwords = [made()["secret"] for _ in range(MANY)]
            print(f"load {os.getloadavg()[0]:.1f}", file=sys.stderr)
            doors(site, passwords, forget)
            requests(site, owner, passwords, forget, proxy)
        finally:
            subprocess.run([ROOT / "tests/sso/site.sh", "stop", directory], check=False)


main()

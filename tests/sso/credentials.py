#!/usr/bin/env python3
"""A small credential endpoint for the tests: judges Basic by an htpasswd file (apr1) and answers nginx' auth_request.

usage: credentials.py SOCKET HTPASSWD SECRET

GET /internal/auth/check with `Authorization: Basic …` and the proxy's `X-Kalends-Secret`: 204 and `X-Auth-User`, or 401.
While the file SOCKET.fault exists, every answer is the status in it, with `Retry-After: 7`; `empty` in it is a 204 that
names nobody, `slow` is no answer for a minute, and with `subject` in it a right password is answered with `X-Auth-Sub` too.
"""

import base64
import functools
import hmac
import os
import socketserver
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

SOCKET, HTPASSWD, SECRET = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
FAULT = SOCKET.with_name(SOCKET.name + ".fault")
USERS = dict(line.split(":", 1) for line in HTPASSWD.read_text().split())


@functools.lru_cache(4096)
def is_right(user: str, password: str) -> bool:
    stored = USERS.get(user, "$apr1$nobody00$")
    salt = stored.split("$")[2]
    made = subprocess.run(
        ["openssl", "passwd", "-apr1", "-salt", salt, "-stdin"], input=password, capture_output=True, text=True, check=True
    )
    return hmac.compare_digest(made.stdout.strip(), stored)


def user_of(header: str) -> str:
    """The user that a Basic header proves, or nothing."""
    try:
        user, _, password = base64.b64decode(header.removeprefix("Basic "), validate=True).decode().partition(":")
    except ValueError:
        return ""
    return user if "\n" not in password and is_right(user, password) else ""


class Check(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self) -> str:
        return "nginx"

    def answer(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if status != 204:
            self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        fault = FAULT.read_text().strip() if FAULT.exists() else ""
        if fault == "slow":
            time.sleep(60)
        if fault == "empty":
            return self.answer(204, X_Auth_User="")
        if fault and fault != "subject":
            return self.answer(int(fault), Retry_After="7")
        if self.path != "/internal/auth/check" or self.headers["X-Kalends-Secret"] != SECRET:
            return self.answer(403)
        user = user_of(self.headers.get("Authorization", ""))
        if not user:
            return self.answer(401)
        return self.answer(204, X_Auth_User=user, **({"X_Auth_Sub": f"sub-of-{user}"} if fault else {}))


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64


SOCKET.unlink(missing_ok=True)
with Server(str(SOCKET), Check) as server:
    os.chmod(SOCKET, 0o666)
    server.serve_forever()

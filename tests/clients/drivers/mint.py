"""App passwords for the people of a site, made at the REST service in the words of its proxy.

usage: mint.py USER...      prints JSON: a password for everything of each user (by name), one that only reads ("NAME reads"), and one
for the calendar that everybody begins with ("NAME part"). The site's environment has API, its socket, and SECRET.
"""

import http.client
import json
import os
import socket
import sys

REACHES = {"": {}, "reads": {"read_only": True}, "part": {"calendars": ["calendar"]}}


class Local(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(os.environ["API"])


def call(user, method, path, body=None):
    """What the REST service answers to a user who has signed in: status and JSON."""
    connection = Local("kalends", timeout=60)
    headers = {"X-Forwarded-User": user, "X-Forwarded-Auth-Type": "Basic", "X-Kalends-Secret": os.environ["SECRET"], "Content-Type": "application/json"}
    connection.request(method, f"/api/v1.0/{path}", json.dumps(body) if body is not None else None, headers)
    answer = connection.getresponse()
    text = answer.read()
    return answer.status, json.loads(text) if text else None


def mint(user, **wish):
    """A new password: its id and its secret."""
    status, made = call(user, "POST", "app-passwords/", {"label": "tests", **wish})
    assert status == 201, (status, made)
    return made["id"], made["secret"]


def revoke(user, number):
    status, _ = call(user, "DELETE", f"app-passwords/{number}/")
    assert status == 204, status


if __name__ == "__main__":
    print(json.dumps({f"{user} {reach}".strip(): mint(user, **wish)[1] for user in sys.argv[1:] for reach, wish in REACHES.items()}))

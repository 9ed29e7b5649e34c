#!/usr/bin/env python3
"""A session that nobody used for too long is over: scripts get 401, and whoever navigates signs in anew.

usage: expiry.py DIR apache|nginx      a site of its own in DIR, whose sessions end after ten seconds without a request
"""

import os
import pathlib
import subprocess
import sys
import time

from flows import Site

HERE = pathlib.Path(__file__).resolve().parent
# The shortest that mod_auth_openidc takes.
IDLE = 10
PAGE = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
SCRIPT = {"Depth": "0", "Sec-Fetch-Mode": "cors", "Content-Type": "application/xml"}


def main():
    folder, proxy = sys.argv[1:3]
    passed = failed = 0

    def check(name, right, seen):
        nonlocal passed, failed
        passed, failed = passed + bool(right), failed + (not right)
        print(f"ok   {name}" if right else f"FAIL {name}: {seen}", flush=True)

    env = {**os.environ, "SESSION_IDLE": str(IDLE)}
    subprocess.run([HERE / "site.sh", "start", folder, proxy], env=env, check=True)
    try:
        site = Site(folder)
        browser, _ = site.login("alice")
        cookie = {"Cookie": browser.cookie_header()}
        for turn in range(2):
            time.sleep(IDLE * 0.6)
            answer = site.send("PROPFIND", site.url + "/dav/", None, SCRIPT | cookie)
            check(f"a session in use goes on, {turn + 1}", answer.status == 207, answer.status)
        time.sleep(IDLE + 2)
        answer = site.send("PROPFIND", site.url + "/dav/", None, SCRIPT | cookie)
        challenge = answer.headers.get("WWW-Authenticate")
        check("one that was not used is over", answer.status == 401 and challenge is None, (answer.status, challenge))
        answer = site.send("GET", site.url + "/dav/", None, PAGE | cookie)
        there = answer.headers.get("Location", "")
        check("and whoever navigates signs in anew", answer.status == 302 and there.startswith(site.issuer), (answer.status, there))
    finally:
        subprocess.run([HERE / "site.sh", "stop", folder], env=env, check=False)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

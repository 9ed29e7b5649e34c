#!/usr/bin/env python3
"""kalends is restarted under load behind a shipped proxy configuration, as systemd would with its socket: nothing is lost.

usage: restart.py DIR apache|nginx [RESTARTS]      everything lies in DIR; $KALENDS names the binary

This process holds the listening socket as systemd does. Every request must be answered as if nothing had happened, and what
was stored must be there at the end.
"""

import base64
import collections
import http.client
import os
import pathlib
import socket
import ssl
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
SECRET = "a-secret-of-the-restarts"
CONFIG = """
[server]
listen = ["systemd"]
[identity]
secret = "{secret}"
trusted_uids = {uids}
auth_type_header = "default"
[cluster]
data_dir = "{dir}/cluster"
[monitor]
listen = ""
"""
OBJECT = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//restart//\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20260101T000000Z\r\n"
    "DTSTART:20261121T090000Z\r\nDURATION:PT1H\r\nSUMMARY:one of many\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)
HOME = "/dav/calendars/alice/calendar/"


class Kalends:
    """The service, started and ended again with one and the same socket."""

    def __init__(self, folder, binary):
        self.folder, self.binary = folder, binary
        self.path = folder / "kalends.sock"
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(self.path))
        os.chmod(self.path, 0o666)
        self.socket.listen(1024)
        uids = sorted({0, os.getuid(), *(uid for uid in map(uid_of, ("nobody", "www-data")) if uid is not None)})
        (folder / "kalends.toml").write_text(CONFIG.format(secret=SECRET, uids=uids, dir=folder))
        self.process = None

    def start(self):
        command = f"LISTEN_PID=$$ LISTEN_FDS=1 exec {self.binary} up --config {self.folder}/kalends.toml 3<&{self.socket.fileno()}"
        with open(self.folder / "kalends.log", "a") as log:
            self.process = subprocess.Popen(["bash", "-c", command], pass_fds=[self.socket.fileno()], stderr=log, stdout=log)

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


def uid_of(name):
    found = subprocess.run(["id", "-u", name], capture_output=True, text=True, check=False)
    return int(found.stdout) if found.returncode == 0 else None


class Client(threading.Thread):
    """One program with a connection of its own, which it opens again only where it was told that it ends."""

    def __init__(self, number, site, until):
        super().__init__(daemon=True)
        self.number, self.site, self.until = number, site, until
        self.answers, self.stored, self.lost = collections.Counter(), [], []
        self.connection = None

    def run(self):
        turn = 0
        while not self.until.is_set():
            turn += 1
            name = f"{HOME}restart-{self.number}-{turn}.ics"
            body = OBJECT.format(uid=f"restart-{self.number}-{turn}").encode()
            if self.ask("PUT", name, body, 201):
                self.stored.append(name)
            self.ask("GET", name, None, 200)
            self.ask("PROPFIND", HOME, b"", 207)

    def ask(self, method, path, body, wanted):
        try:
            if self.connection is None:
                self.connection = self.site.connection()
            headers = {"Authorization": self.site.login, "Depth": "0", "Content-Type": "text/calendar"}
            self.connection.request(method, path, body, headers if body else {**headers, "Content-Type": "application/xml"})
            answer = self.connection.getresponse()
            answer.read()
            if answer.will_close:
                self.connection.close()
                self.connection = None
            status = answer.status
        except (OSError, http.client.HTTPException) as fault:
            self.connection, status = None, repr(fault)
        self.answers[status] += 1
        if status != wanted:
            self.lost.append(f"{method} {path}: {status}")
        return status == wanted


class Site:
    def __init__(self, env):
        self.port = int(env["SITE_PORT"])
        self.trust = ssl.create_default_context(cafile=env["SITE_CA"])
        self.login = "Basic " + base64.b64encode(b"alice:alice-secret").decode()

    def connection(self):
        return http.client.HTTPSConnection("localhost", self.port, timeout=60, context=self.trust)


def main():
    folder, proxy, restarts = pathlib.Path(sys.argv[1]), sys.argv[2], int((sys.argv + ["4"])[3])
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    folder = folder.resolve()
    kalends = Kalends(folder, os.environ["KALENDS"])
    kalends.start()
    env = {**os.environ, "SITE_KALENDS": str(kalends.path), "SECRET": SECRET, "ISSUER": "https://127.0.0.1:1/realms/none"}
    started = subprocess.run([HERE / "site.sh", "start", folder / "site", proxy], env=env, check=False)
    faults = []
    try:
        if started.returncode:
            sys.exit("the site does not start")
        lines = (folder / "site" / "env").read_text().splitlines()
        site = Site(dict(line.split("=", 1) for line in lines if "=" in line))
        over = threading.Event()
        if not Client(0, site, over).ask("PROPFIND", HOME, b"", 207):
            faults.append("alice is not let in at all")
        clients = [Client(number, site, over) for number in range(1, 7)]
        for client in clients:
            client.start()
        for _ in range(restarts):
            time.sleep(1)
            kalends.stop()
            kalends.start()
        time.sleep(1)
        over.set()
        for client in clients:
            client.join(90)
        answers = sum((client.answers for client in clients), collections.Counter())
        faults += [fault for client in clients for fault in client.lost]
        stored = [name for client in clients for name in client.stored]
        last = Client(0, site, over)
        missing = [name for name in stored if not last.ask("GET", name, None, 200)]
        faults += [f"stored, and not there: {name}" for name in missing]
        print(f"{sum(answers.values())} requests, {restarts} restarts, {len(stored)} stored: {dict(answers)}")
        if not stored:
            faults.append("nothing was stored at all")
    finally:
        subprocess.run([HERE / "site.sh", "stop", folder / "site"], env=env, check=False)
        kalends.stop()
    for fault in faults[:20]:
        print(f"FAIL {fault}")
    if not faults:
        print("ok   every request was answered through every restart")
    print(f"{int(not faults)} passed, {min(len(faults), 20)} failed")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

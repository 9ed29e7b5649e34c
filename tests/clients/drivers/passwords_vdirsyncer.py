"""vdirsyncer with app passwords: one that only reads, and one for one calendar."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from checks import ROOT, URL, check, event, password, put, request, run, same
from reach import PRIVATE, Reach

PROGRAM = pathlib.Path(sys.executable).with_name("vdirsyncer")
WORK = pathlib.Path(tempfile.mkdtemp(prefix="kalends-vdirsyncer."))
AUTHORITY = os.environ.get("SSL_CERT_FILE")
alice = Reach("alice")


class Device:
    """A machine of alice's with a password of that reach, and what it keeps of these calendars."""

    def __init__(self, name, reach, collections='["from b"]'):
        self.home, self.files = WORK / name, WORK / name / "calendars"
        self.files.mkdir(parents=True)
        config = ["[general]", f'status_path = "{self.home}/status/"', "[pair calendars]", 'a = "folder"', 'b = "server"', f"collections = {collections}"]
        config += ["[storage folder]", 'type = "filesystem"', f'path = "{self.files}/"', 'fileext = ".ics"']
        config += ["[storage server]", 'type = "caldav"', f'url = "{URL}{ROOT}"', 'username = "alice"', f'password = "{password("alice", reach)}"']
        config += [f'verify = "{AUTHORITY}"'] if AUTHORITY else []
        (self.home / "config").write_text("\n".join(config) + "\n")

    def call(self, *words):
        """Runs vdirsyncer, and says yes to all it asks: (exit status, all it printed)."""
        environment = {**os.environ, "HOME": str(self.home)}
        done = subprocess.run([PROGRAM, "-c", self.home / "config", *words], input="y\n" * 30, capture_output=True, text=True, timeout=120, env=environment)
        return done.returncode, done.stdout + done.stderr

    def done(self, *words):
        status, said = self.call(*words)
        assert status == 0, said[-900:]

    def summaries(self, collection="calendar"):
        lines = [line for path in (self.files / collection).glob("*.ics") for line in path.read_text().splitlines()]
        return sorted(line.removeprefix("SUMMARY:") for line in lines if line.startswith("SUMMARY:"))

    def write(self, uid, summary):
        (self.files / "calendar" / f"{uid}.ics").write_bytes(event(uid, summary).encode())

    def path(self, uid):
        return next(path for path in (self.files / "calendar").glob("*.ics") if f"UID:{uid}\n" in path.read_text().replace("\r", ""))


reader, part = Device("reader", "reads"), Device("part", "part")


@check("there are two calendars, with an event each")
def _():
    alice.make()


@check("what only reads finds both and brings down what is in them")
def _():
    reader.done("discover")
    reader.done("sync")
    assert "Shown" in reader.summaries(), reader.summaries()
    same(reader.summaries(PRIVATE), ["Hidden"])


@check("what others change comes down")
def _():
    put(alice.shown + "shown.ics", event("shown", "Shown, later"))
    reader.done("sync")
    assert "Shown, later" in reader.summaries(), reader.summaries()


@check("what only reads says that it cannot add, change or delete, and nothing has changed")
def _():
    before = alice.kept()
    reader.write("intruder", "Against her will")
    status, said = reader.call("sync")
    assert status != 0 and "403" in said, (status, said[-900:])
    alice.untouched(before)
    reader.path("intruder").unlink()
    reader.path("shown").write_bytes(event("shown", "Against her will").encode())
    status, said = reader.call("sync")
    assert status != 0 and "403" in said, (status, said[-900:])
    alice.untouched(before)
    reader.path("shown").unlink()
    status, said = reader.call("sync", "--force-delete")
    assert status != 0 and "403" in said, (status, said[-900:])
    alice.untouched(before)


@check("what is for one calendar finds that one alone")
def _():
    part.done("discover")
    same([path.name for path in part.files.iterdir()], ["calendar"])


@check("what is for one calendar keeps in step with it both ways")
def _():
    part.done("sync")
    assert "Shown, later" in part.summaries(), part.summaries()
    part.write("from-part", "From one calendar")
    part.done("sync")
    assert "From one calendar" in request("GET", alice.shown)[2]
    put(alice.shown + "from-all.ics", event("from-all", "From all"))
    part.done("sync")
    assert "From all" in part.summaries(), part.summaries()
    for uid in ("from-part", "from-all"):
        part.path(uid).unlink()
    part.done("sync")
    assert "From" not in request("GET", alice.shown)[2]


@check("what is for one calendar has no other, and makes none of that name")
def _():
    before = alice.kept()
    wanted = Device("wanted", "part", f'["{PRIVATE}"]')
    wanted.call("discover")
    status, said = wanted.call("sync")
    assert status != 0, said[-900:]
    assert "Hidden" not in "".join(path.read_text() for path in wanted.files.rglob("*.ics"))
    alice.untouched(before)


try:
    run()
finally:
    shutil.rmtree(WORK, ignore_errors=True)

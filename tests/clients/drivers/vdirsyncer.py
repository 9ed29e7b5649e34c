"""vdirsyncer against kalends: two devices of one user with a folder each, kept alike through the server."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from checks import ROOT, URL, check, event, home, password, put, request, run, same, xml

PROGRAM = pathlib.Path(sys.executable).with_name("vdirsyncer")
WORK = pathlib.Path(tempfile.mkdtemp(prefix="kalends-vdirsyncer."))
COLLECTION = "vdir"
AUTHORITY = os.environ.get("SSL_CERT_FILE")
REMOTE = home("alice") + COLLECTION + "/"


class Device:
    """One machine of the user: a configuration, a folder of .ics files, and what vdirsyncer remembers."""

    def __init__(self, name):
        self.home = WORK / name
        self.files = self.home / "calendars"
        self.files.mkdir(parents=True)
        self.configure('["from b"]')

    def configure(self, collections, *pair):
        config = ["[general]", f'status_path = "{self.home}/status/"', "[pair calendars]", 'a = "folder"', 'b = "server"', f"collections = {collections}", 'metadata = ["color", "displayname"]', *pair]
        config += ["[storage folder]", 'type = "filesystem"', f'path = "{self.files}/"', 'fileext = ".ics"']
        config += ["[storage server]", 'type = "caldav"', f'url = "{URL}{ROOT}"', 'username = "alice"', f'password = "{password("alice")}"']
        config += [f'verify = "{AUTHORITY}"'] if AUTHORITY else []
        (self.home / "config").write_text("\n".join(config) + "\n")

    def call(self, *words, answers=""):
        """Runs vdirsyncer: (exit status, all it printed)."""
        done = subprocess.run([PROGRAM, "-c", self.home / "config", *words], input=answers, capture_output=True, text=True, timeout=120, env={**os.environ, "HOME": str(self.home)})
        return done.returncode, done.stdout + done.stderr

    def sync(self):
        status, said = self.call("sync")
        assert status == 0, said[-900:]
        return said

    def discover(self):
        status, said = self.call("discover", answers="y\n" * 30)
        assert status == 0, said[-900:]

    def items(self):
        """Summary by UID of what lies in the folder."""
        found = {}
        for path in (self.files / COLLECTION).glob("*.ics"):
            lines = dict(line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
            found[lines["UID"]] = lines["SUMMARY"]
        return found

    def path(self, uid):
        return next(p for p in (self.files / COLLECTION).glob("*.ics") if f"UID:{uid}\n" in p.read_text().replace("\r", ""))

    def write(self, uid, summary, name=None):
        path = self.files / COLLECTION / name if name else self.path(uid)
        path.write_bytes(event(uid, summary).encode())


laptop, phone = Device("laptop"), Device("phone")


@check("a calendar with three events is made on the server")
def _():
    request("DELETE", REMOTE)
    status, _, text = xml("MKCALENDAR", REMOTE, "<C:mkcalendar {ns}><D:set><D:prop><D:displayname>Both ways</D:displayname><A:calendar-color>#4477AA</A:calendar-color></D:prop></D:set></C:mkcalendar>")
    assert status == 201, (status, text)
    for n in range(3):
        put(f"{REMOTE}{n}.ics", event(f"uid-{n}", f"Server {n}"))


@check("discover finds it")
def _():
    for device in (laptop, phone):
        device.discover()
        assert (device.files / COLLECTION).is_dir(), list(device.files.iterdir())


@check("discover finds the calendars every user has")
def _():
    assert len([p for p in laptop.files.iterdir() if p.is_dir()]) >= 2, list(laptop.files.iterdir())


@check("the first sync brings the events down")
def _():
    for device in (laptop, phone):
        device.sync()
        same(device.items(), {f"uid-{n}": f"Server {n}" for n in range(3)})


@check("a sync without changes copies nothing")
def _():
    said = laptop.sync()
    assert "Copying" not in said and "Deleting" not in said, said


@check("what one device makes, changes and deletes arrives at the other")
def _():
    laptop.write("uid-0", "Changed on the laptop")
    laptop.write("uid-new", "Made on the laptop", "new.ics")
    laptop.path("uid-1").unlink()
    laptop.sync()
    phone.sync()
    same(phone.items(), {"uid-0": "Changed on the laptop", "uid-new": "Made on the laptop", "uid-2": "Server 2"})


@check("changes of both sides at once meet in the middle")
def _():
    laptop.write("uid-2", "Laptop's")
    phone.write("uid-new", "Phone's")
    phone.path("uid-0").unlink()
    for device in (laptop, phone, laptop):
        device.sync()
    same(laptop.items(), {"uid-2": "Laptop's", "uid-new": "Phone's"})
    same(phone.items(), laptop.items())


@check("the same event changed on both devices is reported as a conflict, and nothing is lost")
def _():
    laptop.write("uid-2", "Laptop's second")
    phone.write("uid-2", "Phone's second")
    laptop.sync()
    status, said = phone.call("sync")
    assert status != 0 and "onflict" in said, said[-900:]
    same(phone.items()["uid-2"], "Phone's second")
    assert "Laptop's second" in request("GET", REMOTE + "2.ics")[2]


@check("the conflict is settled for the server's version")
def _():
    phone.configure('["from b"]', 'conflict_resolution = "b wins"')
    phone.sync()
    same(phone.items()["uid-2"], "Laptop's second")


@check("a UID of any characters makes the round")
def _():
    uids = ["with space", "sl/ash", "per%20cent", "a@b.example", "ünïcödé", "{curly}"]
    for n, uid in enumerate(uids):
        laptop.write(uid, f"Odd {n}", f"odd{n}.ics")
    laptop.sync()
    phone.sync()
    same({uid: phone.items().get(uid) for uid in uids}, {uid: f"Odd {n}" for n, uid in enumerate(uids)})


@check("a hundred events go up and come down")
def _():
    for n in range(100):
        laptop.write(f"bulk-{n}", f"Bulk {n}", f"bulk{n}.ics")
    laptop.sync()
    phone.sync()
    same(len([uid for uid in phone.items() if uid.startswith("bulk-")]), 100)


@check("colour and name come down")
def _():
    status, said = laptop.call("metasync")
    assert status == 0, said[-900:]
    same((laptop.files / COLLECTION / "displayname").read_text(), "Both ways")
    same((laptop.files / COLLECTION / "color").read_text()[:7].upper(), "#4477AA")


@check("colour and name go up")
def _():
    (laptop.files / COLLECTION / "displayname").write_text("Renamed")
    (laptop.files / COLLECTION / "color").write_text("#aa0000")
    status, said = laptop.call("metasync")
    assert status == 0, said[-900:]
    text = xml("PROPFIND", REMOTE, "<D:propfind {ns}><D:prop><D:displayname/><A:calendar-color/></D:prop></D:propfind>", Depth="0")[2]
    assert "Renamed" in text and "#aa0000" in text.lower(), text


@check("a folder made on a device becomes a calendar on the server")
def _():
    request("DELETE", home("alice") + "from-folder/")
    (laptop.files / "from-folder").mkdir()
    (laptop.files / "from-folder" / "x.ics").write_bytes(event("from-folder", "From a folder").encode())
    laptop.configure('["from a", "from b"]')
    laptop.discover()
    laptop.sync()
    text = xml("REPORT", home("alice") + "from-folder/", '<C:calendar-query {ns}><D:prop><C:calendar-data/></D:prop><C:filter><C:comp-filter name="VCALENDAR"/></C:filter></C:calendar-query>', Depth="1")[2]
    assert "From a folder" in text, text


@check("repair finds nothing to mend")
def _():
    status, said = laptop.call("repair", f"server/{COLLECTION}", answers="y\n" * 5)
    assert status == 0, said[-900:]


@check("an emptied calendar is emptied everywhere when told to")
def _():
    for path in (laptop.files / COLLECTION).glob("*.ics"):
        path.unlink()
    status, said = laptop.call("sync")
    assert status != 0, "vdirsyncer empties a calendar only with --force-delete"
    status, said = laptop.call("sync", "--force-delete")
    assert status == 0, said[-900:]
    text = xml("PROPFIND", REMOTE, "<D:propfind {ns}><D:prop><D:getetag/></D:prop></D:propfind>", Depth="1")[2]
    assert ".ics" not in text, text


try:
    run()
finally:
    for name in (COLLECTION, "from-folder"):
        request("DELETE", home("alice") + name + "/")
    shutil.rmtree(WORK, ignore_errors=True)

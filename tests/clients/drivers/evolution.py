"""Evolution's engine as somebody to whom calendars are shared: it finds them, changes them as far as it may, and loses them. Then with
app passwords that do not reach as far as their owner."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse

OWNER, SHAREE = "ivan", "judy"


def in_a_session():
    """Runs this file again with a message bus and a home of its own, which the engine's programs are found by."""
    work = tempfile.mkdtemp(prefix="kalends-eds.")
    places = {f"XDG_{name}_HOME": f"{work}/{name.lower()}" for name in ("CONFIG", "DATA", "CACHE")}
    os.mkdir(f"{work}/run", 0o700)
    own = {"HOME": work, "XDG_RUNTIME_DIR": f"{work}/run", "GSETTINGS_BACKEND": "memory", "GIO_USE_VFS": "local", "NO_AT_BRIDGE": "1", "LANG": "C.UTF-8", "KALENDS_SESSION": work}
    try:
        with open(f"{work}/log", "wb") as log:
            done = subprocess.run(["dbus-run-session", "--", sys.executable, __file__], env={**os.environ, **places, **own}, stderr=log)
        return done.returncode
    finally:
        shutil.rmtree(work, ignore_errors=True)


if "KALENDS_SESSION" not in os.environ:
    sys.exit(in_a_session())

import gi  # noqa: E402

for module, version in (("ECal", "2.0"), ("EDataServer", "1.2"), ("ICalGLib", "3.0")):
    gi.require_version(module, version)
from gi.repository import ECal, EDataServer, GLib, GObject, ICalGLib  # noqa: E402

from checks import MINTED, ROOT, URL, check, event, password, put, run, same  # noqa: E402
from reach import Reach  # noqa: E402
from sharing import ALARM, PATIENCE, Shared, objects, path_of, sign_in, summary  # noqa: E402

SERVER = urllib.parse.urlsplit(URL)
team, board = Shared(OWNER, SHAREE, "team"), Shared(OWNER, SHAREE, "board")
registry = EDataServer.SourceRegistry.new_sync(None)
reader, part = Reach("alice"), Reach("bob")
found, clients = {}, {}  # by the name that the owner gave a calendar: its path, and the engine's client of it


def credentials(user=SHAREE, reach=""):
    said = EDataServer.NamedParameters.new()
    said.set("username", user)
    said.set("password", password(user, reach))
    return said


def wait(wanted, look):
    """Lets the engine work until `look` gives what is wanted, and fails with what it gave last."""
    context, end = GLib.MainContext.default(), time.monotonic() + PATIENCE
    while (got := look()) != wanted and time.monotonic() < end:
        while context.pending():
            context.iteration(False)
        time.sleep(0.05)
    same(got, wanted)


def source(path, name, user=SHAREE):
    """A calendar as the dialogue for new ones makes it."""
    made = EDataServer.Source.new(None, None)
    made.set_display_name(name)
    made.set_parent("caldav-stub")
    made.get_extension("Calendar").set_backend_name("caldav")
    made.get_extension("Security").set_method("none")
    made.get_extension("Offline").set_stay_synchronized(True)
    made.get_extension("Refresh").set_enabled(False)
    who = made.get_extension("Authentication")
    who.set_host(SERVER.hostname)
    who.set_port(SERVER.port or 80)
    who.set_user(user)
    who.set_method("plain/password")
    made.get_extension("WebDAV Backend").set_resource_path(path)
    return made


def discovered(user=SHAREE, reach=""):
    """What it offers to somebody who gives the address of the server: name and colour by path."""
    answer = EDataServer.webdav_discover_sources_sync(source(ROOT, "probe", user), URL + ROOT, EDataServer.WebDAVDiscoverSupports.EVENTS, credentials(user, reach), None)
    return {path_of(one.href): [one.display_name, (one.color or "").lower()] for one in answer[3]}


def appears(shared, access):
    before = discovered()
    shared.share(access)
    new = {path: facts for path, facts in discovered().items() if path not in before}
    same(list(new.values()), [[shared.title, "#ff8800"]])
    found[shared.name] = next(iter(new))


def subscribe(shared):
    """Adds the calendar and connects to it; a second time it is as after a start of the program."""
    clients[shared.name] = connect(found[shared.name], shared.title)


def connect(path, title, user=SHAREE, reach=""):
    made = source(path, title, user)
    registry.commit_source_sync(made, None)
    wait(True, lambda: registry.ref_source(made.get_uid()) is not None)
    known = registry.ref_source(made.get_uid())
    # The engine asks for the password; it must not be told before that call is over.
    known.connect("credentials-required", lambda which, *_: GLib.idle_add(lambda: which.invoke_authenticate_sync(credentials(user, reach), None) and False))
    outcome = []

    def done(_, result):
        try:
            outcome.append(ECal.Client.connect_finish(result))
        except GLib.Error as fault:
            outcome.append(fault)

    # The program that opens calendars hears of a new one by itself, and may not have yet.
    end = time.monotonic() + PATIENCE
    while not outcome or ("No such source" in str(outcome[0]) and time.monotonic() < end):
        outcome.clear()
        ECal.Client.connect(known, ECal.ClientSourceType.EVENTS, 30, None, done)
        wait(1, lambda: len(outcome))
    assert isinstance(outcome[0], ECal.Client), outcome
    return outcome[0]


def titles(shared):
    return seen(clients[shared.name])


def seen(client):
    return sorted(component.get_summary() for component in client.get_object_list_sync("#t", None)[1])


def add(client, uid):
    lines = ["BEGIN:VEVENT", f"UID:{uid}", "DTSTAMP:20270101T000000Z", "DTSTART:20270107T100000Z", "DTEND:20270107T110000Z", "SUMMARY:Added in Evolution", "END:VEVENT", ""]
    client.create_object_sync(ICalGLib.Component.new_from_string("\r\n".join(lines)), ECal.OperationFlags.NONE, None)


def rename(shared, number, title):
    component = clients[shared.name].get_object_sync(shared.uid(number), None, None)[1]
    component.set_summary(title)
    clients[shared.name].modify_object_sync(component, ECal.ObjModType.ALL, ECal.OperationFlags.NONE, None)


def refused(action, *arguments):
    try:
        action(*arguments)
    except GLib.Error:
        return
    raise AssertionError("it was taken")


def alarms(shared, uid):
    return clients[shared.name].get_object_sync(uid, None, None)[1].as_ical_string().count("BEGIN:VALARM")


@check("nothing is shared yet")
def nothing_yet():
    sign_in(OWNER)
    team.make()
    board.make()
    assert all(path.startswith(f"/dav/calendars/{SHAREE}/") for path in discovered()), discovered()


@check("a shared calendar appears with the name and colour of the owner's")
def share_appears():
    appears(team, "read-write")


@check("its events come with the first synchronisation, without the owner's alarms, and it can be written to")
def events_come():
    subscribe(team)
    wait(["Event 0", "Event 1", "Event 2"], lambda: titles(team))
    same([clients["team"].is_readonly(), alarms(team, team.uid(0))], [False, 0])


@check("what the owner changes arrives")
def owner_changes():
    team.put(0, "Event 0, later")
    clients["team"].refresh_sync(None)
    wait(["Event 0, later", "Event 1", "Event 2"], lambda: titles(team))


@check("what the sharee changes is the owner's, whose alarm stays")
def sharee_changes():
    rename(team, 1, "Edited by the sharee")
    text = team.of_owner()[team.uid(1)]
    same(summary(text), "Edited by the sharee")
    assert all(line in text for line in ALARM), text


@check("an event that the sharee adds is the owner's, and its alarm the sharee's alone")
def sharee_adds():
    lines = ["BEGIN:VEVENT", "UID:by-the-sharee", "DTSTAMP:20270101T000000Z", "DTSTART:20270107T100000Z", "DTEND:20270107T110000Z", "SUMMARY:Added by the sharee"]
    lines += ["BEGIN:VALARM", "ACTION:DISPLAY", "DESCRIPTION:Soon", "TRIGGER:-PT5M", "END:VALARM", "END:VEVENT", ""]
    clients["team"].create_object_sync(ICalGLib.Component.new_from_string("\r\n".join(lines)), ECal.OperationFlags.NONE, None)
    mine, theirs = objects(found["team"], SHAREE), team.of_owner()
    same(summary(theirs["by-the-sharee"]), "Added by the sharee")
    assert "VALARM" not in theirs["by-the-sharee"], theirs
    assert "TRIGGER:-PT5M" in mine["by-the-sharee"], mine
    clients["team"].refresh_sync(None)
    wait(1, lambda: alarms(team, "by-the-sharee"))


@check("a calendar that is shared to be read is read-only")
def read_only():
    appears(board, "read")
    subscribe(board)
    wait(["Event 0", "Event 1", "Event 2"], lambda: titles(board))
    same(clients["board"].is_readonly(), True)


@check("what may only be read from now on is refused, and does the owner no harm")
def downgraded():
    before = team.of_owner()
    team.share("read")
    refused(rename, team, 2, "Against the owner's will")
    team.untouched(before)


@check("a start later it is read-only, and all of it is there")
def downgraded_later():
    subscribe(team)
    wait(["Added by the sharee", "Edited by the sharee", "Event 0, later", "Event 2"], lambda: titles(team))
    same(clients["team"].is_readonly(), True)


@check("what is taken back is gone from discovery, and the owner has all of it")
def taken_back():
    before = team.of_owner()
    team.take_back()
    assert found["team"] not in discovered() and found["board"] in discovered(), discovered()
    team.untouched(before)


@check("what was subscribed to can no longer be refreshed")
def taken_back_later():
    told = []
    GObject.Object.connect(clients["team"], "backend-error", lambda _, message: told.append(message))
    try:
        clients["team"].refresh_sync(None)
    except GLib.Error as fault:
        told.append(str(fault))
    wait(True, lambda: bool(told))


def reads_alone():
    reader.make()
    assert {reader.shown, reader.hidden} <= set(discovered(reader.user, "reads")), discovered(reader.user, "reads")
    clients["reads"] = connect(reader.shown, "reads", reader.user, "reads")
    wait(["Shown"], lambda: seen(clients["reads"]))
    put(reader.shown + "later.ics", event("later", "Later"), reader.user)
    clients["reads"].refresh_sync(None)
    wait(["Later", "Shown"], lambda: seen(clients["reads"]))


def reads_changes_nothing():
    before = reader.kept()
    same(clients["reads"].is_readonly(), True)
    refused(add, clients["reads"], "intruder")
    component = clients["reads"].get_object_sync("shown", None, None)[1]
    component.set_summary("Against her will")
    refused(clients["reads"].modify_object_sync, component, ECal.ObjModType.ALL, ECal.OperationFlags.NONE, None)
    refused(clients["reads"].remove_object_sync, "shown", None, ECal.ObjModType.ALL, ECal.OperationFlags.NONE, None)
    reader.untouched(before)


def one_calendar():
    part.make()
    same(list(discovered(part.user, "part")), [part.shown])
    clients["part"] = connect(part.shown, "part", part.user, "part")
    wait(["Shown"], lambda: seen(clients["part"]))


def one_calendar_both_ways():
    before = part.kept()
    add(clients["part"], "from-evolution")
    _, shown, hidden = part.kept()
    same((summary(shown["from-evolution"]), hidden), ("Added in Evolution", before[2]))
    put(part.shown + "later.ics", event("later", "Later"), part.user)
    clients["part"].refresh_sync(None)
    wait(["Added in Evolution", "Later", "Shown"], lambda: seen(clients["part"]))


def no_other_by_its_address():
    before = part.kept()
    try:
        other = connect(part.hidden, "elsewhere", part.user, "part")
        refused(add, other, "intruder")
        same(seen(other), [])
    except AssertionError as fault:
        assert "taken" not in str(fault) and "Hidden" not in str(fault), fault
    part.untouched(before)


if MINTED:
    check("a password that only reads finds all calendars, and keeps up with them")(reads_alone)
    check("a password that only reads changes nothing, and the engine says so")(reads_changes_nothing)
    check("a password for one calendar finds that one alone")(one_calendar)
    check("a password for one calendar keeps in step with it both ways")(one_calendar_both_ways)
    check("a password for one calendar reaches no other by its address")(no_other_by_its_address)

try:
    run()
finally:
    # The engine's threads would keep the process.
    sys.stdout.flush()

"""python-caldav with app passwords: one that only reads, one for one calendar, one that is revoked."""

import caldav
from caldav.elements import dav
from caldav.lib import error

from checks import ROOT, URL, check, event, home, password, put, run, same
from mint import mint, revoke
from reach import Reach

alice = Reach("alice")


def client(reach):
    return caldav.DAVClient(url=URL + ROOT, username="alice", password=password("alice", reach))


def names(reach):
    return sorted(found.url.path for found in client(reach).principal().calendars())


def calendar(reach, path):
    return client(reach).calendar(url=URL + path)


def summaries(reach, path):
    return sorted(str(one.icalendar_component["summary"]) for one in calendar(reach, path).events())


def refused(action, *arguments, **more):
    """Fails unless the library says that it was not done, and all is as it was."""
    before = alice.kept()
    try:
        action(*arguments, **more)
    except error.DAVError:
        alice.untouched(before)
        return
    raise AssertionError("it was taken")


def fruitless(action):
    """Fails if it brings or changes anything; the library takes some 404 for an answer, and "gone" for "deleted"."""
    before = alice.kept()
    try:
        assert not action(), "it was told"
    except error.DAVError:
        pass
    alice.untouched(before)


@check("there are two calendars, with an event each")
def _():
    alice.make()
    assert {alice.shown, alice.hidden} <= set(names("")), names("")


@check("what only reads finds all of them, and what is in them")
def _():
    same(names("reads"), names(""))
    same((summaries("reads", alice.shown), summaries("reads", alice.hidden)), (summaries("", alice.shown), ["Hidden"]))


@check("what only reads is told that it cannot add, change or delete")
def _():
    refused(calendar("reads", alice.shown).save_event, event("intruder", "Against her will"))
    found = calendar("reads", alice.shown).event_by_uid("shown")
    refused(found.delete)
    found.icalendar_component["summary"] = "Against her will"
    refused(found.save)


@check("what only reads makes, renames and deletes no calendar")
def _():
    refused(client("reads").principal().make_calendar, name="Another", cal_id="another")
    refused(calendar("reads", alice.shown).set_properties, [dav.DisplayName("Another")])
    refused(calendar("reads", alice.hidden).delete)


@check("what is for one calendar finds that one alone")
def _():
    same(names("part"), [alice.shown])
    same(summaries("part", alice.shown), summaries("", alice.shown))


@check("what is for one calendar writes to it, and hears what others write")
def _():
    calendar("part", alice.shown).save_event(event("from-part", "From one calendar"))
    assert "From one calendar" in summaries("", alice.shown)
    sync = calendar("part", alice.shown).objects_by_sync_token(load_objects=True)
    put(alice.shown + "from-all.ics", event("from-all", "From all"))
    updated, deleted = sync.sync()
    same(([one.url.path for one in updated], list(deleted)), ([alice.shown + "from-all.ics"], []))
    for uid in ("from-part", "from-all"):
        calendar("part", alice.shown).event_by_uid(uid).delete()
    same(summaries("", alice.shown), summaries("part", alice.shown))


@check("what is for one calendar sees no other by its address, and changes nothing there")
def _():
    for path in (alice.hidden, "/dav/alice/private/", home("bob") + "calendar/"):
        fruitless(calendar("part", path).events)
        refused(calendar("part", path).save_event, event("intruder", "Against her will"))
        fruitless(calendar("part", path).delete)
    refused(lambda: calendar("part", alice.hidden).event_by_url(alice.hidden + "hidden.ics").load())


@check("what is for one calendar makes no other, and does not delete or copy it away")
def _():
    refused(client("part").principal().make_calendar, name="Another", cal_id="another")
    refused(calendar("part", alice.shown).delete)
    found = calendar("part", alice.shown).event_by_uid("shown")
    status = client("part").request(URL + found.url.path, "COPY", "", {"Destination": URL + alice.hidden + "copy.ics"}).status
    assert status in (403, 404, 409), status


@check("what is revoked is of no use at the next request")
def _():
    number, secret = mint("alice")
    lost = caldav.DAVClient(url=URL + ROOT, username="alice", password=secret)
    assert alice.shown in [found.url.path for found in lost.principal().calendars()]
    revoke("alice", number)
    refused(lost.calendar(url=URL + alice.shown).events)


run()

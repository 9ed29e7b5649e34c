"""python-caldav against kalends: discovery, calendars, objects, searches, sync tokens, and what another user sees."""

import datetime

import caldav
import icalendar
from caldav.elements import dav

from checks import ROOT, URL, check, event, home, password, put, request, run, same, todo, xml

UTC = datetime.timezone.utc
made = {}  # what later checks need of earlier ones


def client(user):
    return caldav.DAVClient(url=URL + ROOT, username=user, password=password(user))


def principal(user="alice"):
    return client(user).principal()


def at(day, hour=0):
    """That day of January 2027, counted on beyond its end."""
    return datetime.datetime(2027, 1, 1, hour, tzinfo=UTC) + datetime.timedelta(days=day - 1)


def calendar():
    return made["calendar"]


def summaries(objects):
    return sorted(str(o.icalendar_component["summary"]) for o in objects)


@check("discovery from the server's address leads to the principal and one home")
def _():
    alice = principal()
    assert str(alice.url).startswith(URL), alice.url
    same(alice.calendar_home_set.url.path, home("alice"))


@check("a new user finds a calendar for events and one for tasks")
def _():
    kinds = {}
    for found in principal("carol").calendars():
        for kind in found.get_supported_components():
            kinds.setdefault(kind, []).append(found.url.path)
    assert "VEVENT" in kinds and "VTODO" in kinds, kinds


@check("a calendar is made with a name in any script")
def _():
    for old in principal().calendars():
        if old.url.path == home("alice") + "pycaldav/":
            old.delete()
    made["calendar"] = principal().make_calendar(name="Grüße 日程 <&>", cal_id="pycaldav", supported_calendar_component_set=["VEVENT", "VTODO"])
    same(calendar().get_display_name(), "Grüße 日程 <&>")
    same(calendar().url.path, home("alice") + "pycaldav/")


@check("the calendar says which components it takes")
def _():
    same(sorted(calendar().get_supported_components()), ["VEVENT", "VTODO"])


@check("making it twice is refused")
def _():
    status, _, text = xml("MKCALENDAR", calendar().url.path, "<C:mkcalendar {ns}/>")
    assert status in (403, 405), status
    assert status == 405 or "resource-must-be-null" in text, text


@check("an event comes back as it was sent")
def _():
    sent = event("first@example.com", "Erste Prüfung 🎉", "20270104T100000Z", "20270104T110000Z", "X-OWN-LINE;X-P=\"a:b\":kept", "DESCRIPTION:" + "long " * 60)
    calendar().save_event(sent)
    got = calendar().event_by_uid("first@example.com")
    same(str(got.icalendar_component["summary"]), "Erste Prüfung 🎉")
    assert "X-OWN-LINE" in got.data and "kept" in got.data, got.data


@check("an update replaces it and changes its ETag")
def _():
    found = calendar().event_by_uid("first@example.com")
    before = request("HEAD", found.url.path)[1]["etag"]
    found.icalendar_component["summary"] = "Second thought"
    found.save()
    after = request("HEAD", found.url.path)[1]["etag"]
    assert before != after, before
    same(str(calendar().event_by_uid("first@example.com").icalendar_component["summary"]), "Second thought")


@check("GET with the current ETag is 304, with another 200")
def _():
    path = calendar().event_by_uid("first@example.com").url.path
    tag = request("HEAD", path)[1]["etag"]
    same(request("GET", path, If_None_Match=tag)[0], 304)
    same(request("GET", path, If_None_Match='"other"')[0], 200)


@check("a stale If-Match and a false If-None-Match are 412 and change nothing")
def _():
    path = calendar().event_by_uid("first@example.com").url.path
    other = event("first@example.com", "Must not be stored")
    same(request("PUT", path, other, If_Match='"stale"', Content_Type="text/calendar")[0], 412)
    same(request("PUT", path, other, If_None_Match="*", Content_Type="text/calendar")[0], 412)
    same(request("DELETE", path, If_Match='"stale"')[0], 412)
    assert "Must not be stored" not in request("GET", path)[2]


@check("the weak and the -gzip form of the ETag match too")
def _():
    path = calendar().url.path + "tagged.ics"
    tag = put(path, event("tagged", "0")).get("etag") or request("HEAD", path)[1]["etag"]
    tag = put(path, event("tagged", "1"), If_Match="W/" + tag).get("etag") or request("HEAD", path)[1]["etag"]
    put(path, event("tagged", "2"), If_Match=tag[:-1] + '-gzip"')
    assert request("DELETE", path)[0] in (200, 204)


@check("a recurring event is found on its days and not between them")
def _():
    weekly = event("weekly", "Weekly", "20270105T090000Z", "20270105T100000Z", "RRULE:FREQ=WEEKLY;COUNT=6", "EXDATE:20270112T090000Z")
    put(calendar().url.path + "weekly.ics", weekly)
    same(summaries(calendar().search(start=at(19), end=at(20), event=True)), ["Weekly"])
    same(summaries(calendar().search(start=at(12), end=at(13), event=True)), [])
    same(summaries(calendar().search(start=at(20), end=at(21), event=True)), [])


@check("a moved instance is found where it went")
def _():
    moved = event("moved", "Moved series", "20270106T090000Z", "20270106T100000Z", "RRULE:FREQ=DAILY;COUNT=3")
    override = "\r\n".join(["BEGIN:VEVENT", "UID:moved", "DTSTAMP:20270101T000000Z", "RECURRENCE-ID:20270107T090000Z", "DTSTART:20270220T090000Z", "DTEND:20270220T100000Z", "SUMMARY:Moved away", "END:VEVENT", "END:VCALENDAR", ""])
    put(calendar().url.path + "moved.ics", moved.replace("END:VCALENDAR\r\n", override))
    found = calendar().search(start=at(51), end=at(52), event=True)
    same(len(found), 1)
    assert "Moved away" in found[0].data, found[0].data


@check("an open-ended search goes on for ever")
def _():
    put(calendar().url.path + "forever.ics", event("forever", "Forever", "20270101T120000Z", "20270101T123000Z", "RRULE:FREQ=YEARLY"))
    far = datetime.datetime(2061, 1, 1, tzinfo=UTC)
    same(summaries(calendar().search(start=far, end=far + datetime.timedelta(days=1), event=True)), ["Forever"])
    assert "Forever" in summaries(calendar().search(start=at(200), event=True))


@check("tasks are apart from events, and can be completed")
def _():
    put(calendar().url.path + "task.ics", todo("task", "Buy milk", "DUE:20270110T120000Z"))
    same(summaries(calendar().todos()), ["Buy milk"])
    assert "Buy milk" not in summaries(calendar().events())
    calendar().todo_by_uid("task").complete()
    same(summaries(calendar().todos()), [])
    assert "COMPLETED" in calendar().todo_by_uid("task").data


@check("text is found in any case of letters")
def _():
    body = '<C:calendar-query {ns}><D:prop><C:calendar-data/></D:prop><C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT"><C:prop-filter name="SUMMARY"><C:text-match>cond THOU</C:text-match></C:prop-filter></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>'
    status, _, text = xml("REPORT", calendar().url.path, body, Depth="1")
    same((status, text.count("BEGIN:VEVENT")), (207, 1))
    assert "Second thought" in text, text


@check("text search as python-caldav asks for it")
def _():
    same(summaries(calendar().search(event=True, summary="Second thought")), ["Second thought"])
    same(summaries(calendar().search(event=True, summary="Third thought")), [])


@check("an object without a property is found by its absence")
def _():
    body = '<C:calendar-query {ns}><D:prop><D:getetag/></D:prop><C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VTODO"><C:prop-filter name="DTSTART"><C:is-not-defined/></C:prop-filter></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>'
    status, _, text = xml("REPORT", calendar().url.path, body, Depth="1")
    same(status, 207)
    assert "task.ics" in text and "weekly.ics" not in text, text


@check("multiget answers each address, the missing one with 404")
def _():
    base = calendar().url.path
    hrefs = "".join(f"<D:href>{base}{name}.ics</D:href>" for name in ("weekly", "nowhere", "moved"))
    status, _, text = xml("REPORT", base, "<C:calendar-multiget {ns}><D:prop><D:getetag/><C:calendar-data/></D:prop>" + hrefs + "</C:calendar-multiget>")
    same(status, 207)
    same((text.count("BEGIN:VCALENDAR"), text.count("404")), (2, 1))


@check("the same UID under another name is refused, naming the one that has it")
def _():
    status, _, text = request("PUT", calendar().url.path + "copy.ics", event("weekly", "Copy"), Content_Type="text/calendar")
    assert status in (403, 409), status
    assert "no-uid-conflict" in text and "weekly.ics" in text, text


@check("what is no calendar object is refused with its precondition")
def _():
    for data, wanted in [("Hello", "valid-calendar-data"), (event("two-kinds", "x").replace("BEGIN:VEVENT", "BEGIN:VTODO", 1), "valid-calendar-"), (event("method", "x").replace("VERSION:2.0", "VERSION:2.0\r\nMETHOD:REQUEST"), "valid-calendar-object-resource")]:
        status, _, text = request("PUT", calendar().url.path + "bad.ics", data, Content_Type="text/calendar")
        same(status, 403)
        assert wanted in text, text
    same(request("GET", calendar().url.path + "bad.ics")[0], 404)


@check("a component the calendar does not take is refused")
def _():
    journal = event("journal", "x").replace("VEVENT", "VJOURNAL").replace("DTEND:20270104T110000Z\r\n", "")
    status, _, text = request("PUT", calendar().url.path + "journal.ics", journal, Content_Type="text/calendar")
    same(status, 403)
    assert "supported-calendar-component" in text, text


@check("a first sync lists everything, a second nothing")
def _():
    made["sync"] = calendar().objects_by_sync_token(load_objects=True)
    names = sorted(o.url.path.rsplit("/", 1)[1] for o in made["sync"])
    assert {"weekly.ics", "moved.ics", "forever.ics", "task.ics"} <= set(names), names
    same([len(part) for part in made["sync"].sync()], [0, 0])


@check("the next sync has one made, one changed and one deleted, once")
def _():
    base = calendar().url.path
    put(base + "late.ics", event("late", "Late"))
    put(base + "forever.ics", event("forever", "Not for ever", "20270101T120000Z", "20270101T123000Z"))
    assert request("DELETE", base + "moved.ics")[0] in (200, 204)
    updated, deleted = made["sync"].sync()
    same(sorted(o.url.path.rsplit("/", 1)[1] for o in updated), ["forever.ics", "late.ics"])
    same([o.url.path.rsplit("/", 1)[1] for o in deleted], ["moved.ics"])
    same([len(part) for part in made["sync"].sync()], [0, 0])


@check("a paged sync hands out every object once")
def _():
    base = calendar().url.path
    for n in range(25):
        put(f"{base}page{n}.ics", event(f"page{n}", f"Page {n}"))
    token, seen, pages = "", [], 0
    while pages < 20:
        body = f"<D:sync-collection {{ns}}><D:sync-token>{token}</D:sync-token><D:sync-level>1</D:sync-level><D:limit><D:nresults>7</D:nresults></D:limit><D:prop><D:getetag/></D:prop></D:sync-collection>"
        status, _, text = xml("REPORT", base, body, Depth="0")
        same(status, 207)
        pages += 1
        seen += [part.split("<")[0].rsplit("/", 1)[1] for part in text.split("href>")[1::2] if part.split("<")[0].endswith(".ics")]
        token = text.split("sync-token>")[1].split("<")[0]
        if " 507 " not in text:
            break
    same(len(seen), len(set(seen)))
    same(len([name for name in seen if name.startswith("page")]), 25)
    assert pages > 3, pages


@check("a token that was never given out is refused by its precondition")
def _():
    body = "<D:sync-collection {ns}><D:sync-token>http://example.com/made/up</D:sync-token><D:sync-level>1</D:sync-level><D:prop><D:getetag/></D:prop></D:sync-collection>"
    status, _, text = xml("REPORT", calendar().url.path, body)
    same(status, 403)
    assert "valid-sync-token" in text, text


@check("another user sees nothing of it and can write nothing")
def _():
    path = calendar().url.path
    assert request("PROPFIND", path, user="bob", Depth="1")[0] in (403, 404)
    assert request("GET", path + "weekly.ics", user="bob")[0] in (403, 404)
    assert request("PUT", path + "intruder.ics", event("intruder", "x"), user="bob", Content_Type="text/calendar")[0] in (403, 404)
    assert request("DELETE", path + "weekly.ics", user="bob")[0] in (403, 404)
    assert path not in [c.url.path for c in principal("bob").calendars()]
    same(request("GET", path + "weekly.ics")[0], 200)


@check("looking at a stranger's address makes no stranger")
def _():
    assert request("PROPFIND", home("nobody-of-that-name"), Depth="0")[0] in (403, 404)
    assert request("PROPFIND", home("nobody-of-that-name") + "calendar/", Depth="0")[0] in (403, 404)


@check("an export is read by another implementation, whole and of a window, expanded")
def _():
    base = calendar().url.path
    status, _, text = request("GET", base + "?export")
    same(status, 200)
    whole = icalendar.Calendar.from_ical(text)
    exported = {str(part["uid"]) for part in whole.walk() if "uid" in part}
    assert len(exported) > 20 and "page3" in exported, exported
    put(base + "export.ics", event("export", "Exported", "20270201T100000Z", "20270201T110000Z", "RRULE:FREQ=DAILY"))
    window = "?export&start=20270205T000000Z&end=20270208T000000Z&expand=1&componentType=VEVENT"
    days = [part["dtstart"].dt for part in icalendar.Calendar.from_ical(request("GET", base + window)[2]).walk("VEVENT")]
    same(sorted(day.day for day in days if day.hour == 10), [5, 6, 7])


@check("a calendar is renamed")
def _():
    calendar().set_properties([dav.DisplayName("Renamed")])
    assert "Renamed" in [c.get_display_name() for c in principal().calendars()]


@check("a calendar is deleted with all that is in it")
def _():
    path = calendar().url.path
    calendar().delete()
    same(request("GET", path + "weekly.ics")[0], 404)
    assert path not in [c.url.path for c in principal().calendars()]


run()

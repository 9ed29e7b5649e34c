"""What Schemathesis does not think of by itself: calendar data, and the names of what is there."""

import schemathesis
from hypothesis import strategies as st

NAMES = ["BEGIN", "END", "UID", "DTSTART", "DTEND", "DURATION", "RRULE", "EXDATE", "RECURRENCE-ID", "SUMMARY", "X-A", "METHOD", ""]
VALUES = [
    "VCALENDAR", "VEVENT", "VALARM", "VTODO", "VTIMEZONE", "a@example.org", "b", "20260301T090000Z", "20260301", "19000101T000000",
    "99991231T235959Z", "PT1H", "-P1W", "FREQ=DAILY", "FREQ=SECONDLY;COUNT=99999999", "FREQ=YEARLY;BYDAY=53MO", "REQUEST", "é\\n", "",
]
PARAMETERS = ["", ";VALUE=DATE", ";TZID=Europe/Paris", ";TZID=\"No/Where\"", ";X=\"", ";RANGE=THISANDFUTURE"]
ENDS = ["\r\n", "\n", "\r\n ", ""]

line = st.tuples(*(st.sampled_from(part) for part in (NAMES, PARAMETERS, [":", ""], VALUES, ENDS))).map("".join)
anything = st.lists(line, max_size=30).map("".join)


def whole(lines):
    kept = [text for text in lines if not text.startswith(("BEGIN", "END"))]
    return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\n" + "".join(kept) + "END:VEVENT\r\nEND:VCALENDAR\r\n"


stream = st.one_of(anything, st.lists(line, max_size=12).map(whole))


@schemathesis.serializer("text/calendar")
def calendar_data(ctx, value):
    """Text goes out as it is."""
    return value if isinstance(value, bytes) else str(value).encode(errors="surrogatepass")


@schemathesis.hook
def flatmap_body(ctx, body):
    """Most of what is text by itself is calendar data, more or less."""
    return st.one_of(st.just(body), stream, stream) if isinstance(body, str) else st.just(body)


@schemathesis.hook
def map_path_parameters(ctx, path_parameters):
    """Half of the requests are about the calendar and the event that are there; they are never deleted."""
    if not isinstance(path_parameters, dict) or ctx.operation is None:
        return path_parameters
    path, method = ctx.operation.path, ctx.operation.method.upper()
    for name, real in (("id", "calendar"), ("uid", "a@example.org")):
        value = path_parameters.get(name)
        if not isinstance(value, str) or "/calendars/{id}/" not in path or len(value) % 2:
            continue
        if method != "DELETE" or not path.endswith("{id}/"):
            path_parameters[name] = real
    return path_parameters


@schemathesis.hook
def map_body(ctx, body):
    """Half of the forms and of the links name a calendar that is there; nobody erases who is asking."""
    if isinstance(body, dict) and isinstance(body.get("confirm"), str):
        body["confirm"] += "!"
    path = body.get("caldav_path") if isinstance(body, dict) else None
    if isinstance(path, str) and len(path) % 2 == 0:
        body["caldav_path"] = "/calendars/alice/calendar/"
    return body


@schemathesis.hook
def map_query(ctx, query):
    """So do half of the queries."""
    path = query.get("caldav_path") if isinstance(query, dict) else None
    if isinstance(path, str) and len(path) % 2 == 0:
        query["caldav_path"] = "/calendars/alice/calendar/"
    return query

"""The other side of a share, by plain HTTP: an owner who shares a calendar, changes it and takes it back, and what both have."""

import re
import time
import urllib.parse

from checks import event, home, put, request, same, xml

SPACES = '{ns} xmlns:CS="http://calendarserver.org/ns/"'
ALARM = ("BEGIN:VALARM", "ACTION:DISPLAY", "DESCRIPTION:Of the owner", "TRIGGER:-PT15M", "END:VALARM")
PATIENCE = 60


class Shared:
    """A calendar of three events, each with an alarm of its owner's."""

    def __init__(self, owner, sharee, name):
        self.owner, self.sharee, self.name = owner, sharee, name
        self.path = f"{home(owner)}{name}/"

    def make(self):
        body = f"<C:mkcalendar {SPACES}><D:set><D:prop><D:displayname>{self.title}</D:displayname><A:calendar-color>#FF8800</A:calendar-color></D:prop></D:set></C:mkcalendar>"
        status, _, text = xml("MKCALENDAR", self.path, body, self.owner)
        assert status == 201, (status, text)
        for number in range(3):
            self.put(number, f"Event {number}")

    @property
    def title(self):
        return f"{self.name} of {self.owner}"

    def uid(self, number):
        return f"{self.name}-{number}"

    def put(self, number, summary):
        """The owner's event of that number, with this summary."""
        start, end = (f"202701{4 + number:02}T{hour}0000Z" for hour in (10, 11))
        put(f"{self.path}{self.uid(number)}.ics", event(self.uid(number), summary, start, end, *ALARM), self.owner)

    def share(self, access):
        """Shares it as `read` or `read-write`, or says so anew."""
        self._say(f"<CS:set><D:href>mailto:{self.sharee}@example.com</D:href><CS:{access}/></CS:set>")

    def take_back(self):
        self._say(f"<CS:remove><D:href>mailto:{self.sharee}@example.com</D:href></CS:remove>")

    def _say(self, what):
        status, _, text = xml("POST", self.path, f"<CS:share {SPACES}>{what}</CS:share>", self.owner)
        assert status == 200, (status, text)

    def of_owner(self):
        """What the owner has in it: the text of each object by its UID."""
        return objects(self.path, self.owner)

    def untouched(self, before):
        """Fails unless the owner has exactly what was there before."""
        same(self.of_owner(), before)


def objects(path, user):
    """The text of each object of a calendar by its UID, as that user gets it."""
    query = f'<C:calendar-query {SPACES}><D:prop><C:calendar-data/></D:prop><C:filter><C:comp-filter name="VCALENDAR"/></C:filter></C:calendar-query>'
    status, _, text = xml("REPORT", path, query, user, Depth="1")
    assert status == 207, (status, text)
    found = re.findall(r"BEGIN:VCALENDAR.*?END:VCALENDAR", text, re.DOTALL)
    return {re.search(r"^UID:(.*?)\r?$", one, re.MULTILINE)[1]: one for one in found}


def summary(text):
    """The SUMMARY of an object."""
    return re.search(r"^SUMMARY:(.*?)\r?$", text, re.MULTILINE)[1]


def path_of(url):
    """The path of a URL, as it is shown to people."""
    return urllib.parse.unquote(urllib.parse.urlsplit(url).path)


def until(wanted, look):
    """Waits until `look` gives what is wanted, and fails with what it gave last."""
    end = time.monotonic() + PATIENCE
    while (got := look()) != wanted and time.monotonic() < end:
        time.sleep(0.3)
    same(got, wanted)


def sign_in(user):
    """A first request: from then on the person is known and has a home."""
    same(request("PROPFIND", home(user), user=user, Depth="0")[0], 207)

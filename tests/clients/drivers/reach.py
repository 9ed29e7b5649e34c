"""Somebody with two calendars, and what is in them: for clients whose password does not reach as far as its owner."""

import re

from checks import event, home, put, request, same, xml
from sharing import objects

PRIVATE = "private"


class Reach:
    """The calendar that everybody begins with, which a password may be for, and one that is nobody else's affair."""

    def __init__(self, user):
        self.user, self.shown, self.hidden = user, home(user) + "calendar/", home(user) + PRIVATE + "/"

    def make(self):
        request("DELETE", self.hidden, user=self.user)
        status, _, text = xml("MKCALENDAR", self.hidden, "<C:mkcalendar {ns}><D:set><D:prop><D:displayname>Private</D:displayname></D:prop></D:set></C:mkcalendar>", self.user)
        assert status == 201, (status, text)
        # Whatever others have left there.
        text = xml("PROPFIND", self.shown, "<D:propfind {ns}><D:prop><D:getetag/></D:prop></D:propfind>", self.user, Depth="1")[2]
        for path in re.findall(r"<D:href>([^<]+\.ics)</D:href>", text):
            request("DELETE", path, user=self.user)
        put(self.shown + "shown.ics", event("shown", "Shown"), self.user)
        put(self.hidden + "hidden.ics", event("hidden", "Hidden"), self.user)

    def kept(self):
        """All that its owner has: the collections, and the objects of both calendars."""
        status, _, text = xml("PROPFIND", home(self.user), "<D:propfind {ns}><D:prop><D:displayname/><D:resourcetype/></D:prop></D:propfind>", self.user, Depth="1")
        same(status, 207)
        return text, objects(self.shown, self.user), objects(self.hidden, self.user)

    def untouched(self, before):
        """Fails unless its owner has exactly what was there before."""
        same(self.kept(), before)

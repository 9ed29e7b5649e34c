"""Thunderbird as somebody to whom calendars are shared: it finds them, changes them as far as it may, and loses them. Then with app
passwords that do not reach as far as their owner."""

import atexit

from checks import MINTED, ROOT, URL, check, event, password, put, run, same
from marionette import Thunderbird
from reach import Reach
from sharing import ALARM, Shared, objects, path_of, sign_in, summary, until

OWNER, SHAREE = "grace", "heidi"
REALM = "kalends"
PRELUDE = """
const { cal } = ChromeUtils.importESModule("resource:///modules/calendar/calUtils.sys.mjs");
const { setTimeout } = ChromeUtils.importESModule("resource://gre/modules/Timer.sys.mjs");
const at = path => cal.manager.getCalendars().find(calendar => decodeURIComponent(calendar.uri.filePath) == path);
const items = calendar => calendar.getItemsAsArray(Ci.calICalendar.ITEM_FILTER_ALL_ITEMS, 0, null, null);
const alarms = item => item.getAlarms().map(alarm => alarm.offset.icalString);
"""
team = Shared(OWNER, SHAREE, "team")
board = Shared(OWNER, SHAREE, "board")
found = {}  # the address of each shared calendar in the sharee's home, by the name that the owner gave it


def discovered(user=SHAREE, reach=""):
    """What Thunderbird offers to somebody who gives the address of the server: name, colour and read-only by address."""
    script = """
      const { CalDavProvider } = ChromeUtils.importESModule("resource:///modules/CalDavProvider.sys.mjs");
      globalThis.offered = await CalDavProvider.detectCalendars(args[0], args[1], args[2], true);
      return offered.map(one => [one.uri.spec, one.name, one.getProperty("color").toLowerCase(), one.readOnly]);"""
    return {path_of(url): facts for url, *facts in client.run(script, user, password(user, reach), URL + ROOT)}


def appears(shared, read_only):
    before = discovered()
    assert shared.title not in [name for name, *_ in before.values()], before
    shared.share("read" if read_only else "read-write")
    new = {path: facts for path, facts in discovered().items() if path not in before}
    same(list(new.values()), [[shared.title, "#ff8800", read_only]])
    found[shared.name] = next(iter(new))


def subscribe(shared):
    script = """
      const calendar = offered.find(one => decodeURIComponent(one.uri.filePath) == args[0]);
      calendar.setProperty("cache.enabled", true);
      cal.manager.registerCalendar(calendar);"""
    discovered()
    client.run(script, found[shared.name])


def titles(shared):
    return sorted(client.run("return (await items(at(args[0]))).map(item => item.title);", found[shared.name]))


def refresh(shared):
    client.run("at(args[0]).refresh();", found[shared.name])


def alarms(shared, uid):
    return client.run("const item = await at(args[0]).getItem(args[1]); return item && alarms(item);", found[shared.name], uid)


def rename(shared, number, title):
    """Changes the title of an event as the editor does; answers what Thunderbird has to complain about."""
    script = """
      const calendar = at(args[0]), old = await calendar.getItem(args[1]), changed = old.clone();
      changed.title = args[2];
      const late = new Promise(done => setTimeout(() => done("no answer"), 20000));
      return Promise.race([calendar.modifyItem(changed, old).then(() => "", fault => "refused: " + fault), late]);"""
    return client.run(script, found[shared.name], shared.uid(number), title)


def restarted(shared):
    """The calendar anew, as after a start of the program: it asks again what it may do."""
    script = """
      const old = at(args[0]), url = old.uri;
      cal.manager.unregisterCalendar(old);
      const calendar = cal.manager.createCalendar("caldav", url);
      calendar.id = cal.getUUID();
      calendar.name = "anew";
      calendar.setProperty("username", args[1]);
      calendar.setProperty("cache.enabled", true);
      cal.manager.registerCalendar(calendar);
      globalThis.complaints = [];
      const observer = { QueryInterface: ChromeUtils.generateQI(["calIObserver"]), onError: (_, number, words) => complaints.push(words) };
      for (const name of ["Load", "StartBatch", "EndBatch", "AddItem", "ModifyItem", "DeleteItem", "PropertyChanged", "PropertyDeleting"]) {
        observer["on" + name] = () => {};
      }
      at(args[0]).addObserver(observer);"""
    client.run(script, found[shared.name], SHAREE)


@check("nothing is shared yet")
def nothing_yet():
    sign_in(OWNER)
    team.make()
    board.make()
    assert all(path.startswith(f"/dav/calendars/{SHAREE}/") for path in discovered()), discovered()


@check("a shared calendar appears with the name and colour of the owner's, and can be written to")
def share_appears():
    appears(team, read_only=False)


@check("its events come with the first synchronisation, without the owner's alarms")
def events_come():
    subscribe(team)
    until(["Event 0", "Event 1", "Event 2"], lambda: titles(team))
    same(alarms(team, team.uid(0)), [])


@check("what the owner changes arrives")
def owner_changes():
    team.put(0, "Event 0, later")
    refresh(team)
    until(["Event 0, later", "Event 1", "Event 2"], lambda: titles(team))


@check("what the sharee changes is the owner's, whose alarm stays")
def sharee_changes():
    same(rename(team, 1, "Edited by the sharee"), "")
    text = team.of_owner()[team.uid(1)]
    same(summary(text), "Edited by the sharee")
    assert all(line in text for line in ALARM), text


@check("an event that the sharee adds is the owner's, and its alarm the sharee's alone")
def sharee_adds():
    script = """
      const { CalEvent } = ChromeUtils.importESModule("resource:///modules/CalEvent.sys.mjs");
      const { CalAlarm } = ChromeUtils.importESModule("resource:///modules/CalAlarm.sys.mjs");
      const event = new CalEvent(), alarm = new CalAlarm();
      event.id = "by-the-sharee";
      event.title = "Added by the sharee";
      event.startDate = cal.createDateTime("20270107T100000Z");
      event.endDate = cal.createDateTime("20270107T110000Z");
      alarm.action = "DISPLAY";
      alarm.related = Ci.calIAlarm.ALARM_RELATED_START;
      alarm.offset = cal.createDuration("-PT5M");
      event.addAlarm(alarm);
      await at(args[0]).addItem(event);"""
    client.run(script, found["team"])
    mine, theirs = objects(found["team"], SHAREE), team.of_owner()
    same(summary(theirs["by-the-sharee"]), "Added by the sharee")
    assert "VALARM" not in theirs["by-the-sharee"], theirs
    assert "TRIGGER:-PT5M" in mine["by-the-sharee"], mine
    refresh(team)
    until(["-PT5M"], lambda: alarms(team, "by-the-sharee"))


@check("an alarm that the sharee has heard is heard for the sharee alone")
def alarm_heard():
    before = team.of_owner()
    script = """
      const calendar = at(args[0]), old = await calendar.getItem("by-the-sharee"), changed = old.clone();
      changed.alarmLastAck = cal.createDateTime("20270107T095500Z");
      await calendar.modifyItem(changed, old);
      return (await calendar.getItem("by-the-sharee")).alarmLastAck?.icalString;"""
    same(client.run(script, found["team"]), "20270107T095500Z")
    text = objects(found["team"], SHAREE)["by-the-sharee"]
    assert "20270107T095500Z" in text, text
    after = team.of_owner()
    assert "20270107T095500Z" not in after["by-the-sharee"], after
    same({**after, "by-the-sharee": ""}, {**before, "by-the-sharee": ""})
    refresh(team)
    until(["-PT5M"], lambda: alarms(team, "by-the-sharee"))


@check("a calendar that is shared to be read is read-only")
def read_only():
    appears(board, read_only=True)
    subscribe(board)
    until(["Event 0", "Event 1", "Event 2"], lambda: titles(board))
    same(client.run("return at(args[0]).readOnly;", found["board"]), True)


@check("what may only be read from now on is refused, and does the owner no harm")
def downgraded():
    before = team.of_owner()
    team.share("read")
    assert rename(team, 2, "Against the owner's will").startswith("refused"), "it was taken"
    team.untouched(before)


@check("a start later it is read-only, and all of it is there")
def downgraded_later():
    restarted(team)
    until(True, lambda: client.run("return at(args[0]).readOnly;", found["team"]))
    until(["Added by the sharee", "Edited by the sharee", "Event 0, later", "Event 2"], lambda: titles(team))


@check("what is taken back Thunderbird puts out of use, and offers no more; the owner has all of it")
def taken_back():
    before = team.of_owner()
    team.take_back()
    refresh(team)
    until(True, lambda: client.run("return complaints.some(words => words.includes(at(args[0]).uri.spec));", found["team"]))
    assert found["team"] not in discovered() and found["board"] in discovered(), discovered()
    team.untouched(before)


reader, part = Reach("alice"), Reach("bob")


def keep(user, reach=""):
    """Keeps a password as if it had been typed in before."""
    script = """
      const login = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
      login.init(args[0], null, args[1], args[2], args[3], "", "");
      await Services.logins.addLoginAsync(login);"""
    client.run(script, URL, REALM, user, password(user, reach))


def add(path, uid):
    """Adds an event although it may say that the calendar is read-only; answers what Thunderbird has to complain about."""
    script = """
      const { CalEvent } = ChromeUtils.importESModule("resource:///modules/CalEvent.sys.mjs");
      const event = new CalEvent(), calendar = at(args[0]);
      event.id = args[1];
      event.title = "Added in Thunderbird";
      event.startDate = cal.createDateTime("20270107T100000Z");
      event.endDate = cal.createDateTime("20270107T110000Z");
      calendar.readOnly = false;
      const late = new Promise(done => setTimeout(() => done("no answer"), 20000));
      return Promise.race([calendar.addItem(event).then(() => "", fault => "refused: " + fault), late]);"""
    return client.run(script, path, uid)


def seen(path):
    return sorted(client.run("return (await items(at(args[0]))).map(item => item.title);", path))


def opened(whose, reach):
    """Offers what that password finds, and adds the calendar that everybody begins with."""
    whose.make()
    keep(whose.user, reach)
    offered = discovered(whose.user, reach)
    found["reach"] = whose.shown
    script = """
      const calendar = offered.find(one => decodeURIComponent(one.uri.filePath) == args[0]);
      calendar.setProperty("cache.enabled", true);
      calendar.setProperty("username", args[1]);
      cal.manager.registerCalendar(calendar);"""
    client.run(script, whose.shown, whose.user)
    return {path: facts[2] for path, facts in offered.items()}


def reads_alone():
    offered = opened(reader, "reads")
    same((offered.get(reader.shown), offered.get(reader.hidden)), (True, True))
    until(["Shown"], lambda: seen(reader.shown))
    put(reader.shown + "later.ics", event("later", "Later"), reader.user)
    client.run("at(args[0]).refresh();", reader.shown)
    until(["Later", "Shown"], lambda: seen(reader.shown))


def reads_changes_nothing():
    before = reader.kept()
    assert add(reader.shown, "intruder").startswith("refused"), "it was taken"
    reader.untouched(before)


def one_calendar():
    same(opened(part, "part"), {part.shown: False})
    until(["Shown"], lambda: seen(part.shown))


def one_calendar_both_ways():
    before = part.kept()
    same(add(part.shown, "from-thunderbird"), "")
    _, shown, hidden = part.kept()
    same((summary(shown["from-thunderbird"]), hidden), ("Added in Thunderbird", before[2]))
    put(part.shown + "later.ics", event("later", "Later"), part.user)
    client.run("at(args[0]).refresh();", part.shown)
    until(["Added in Thunderbird", "Later", "Shown"], lambda: seen(part.shown))


def no_other_by_its_address():
    before = part.kept()
    script = """
      const other = at(args[0]).uri.mutate().setFilePath(args[1]).finalize();
      const calendar = cal.manager.createCalendar("caldav", other);
      calendar.id = cal.getUUID();
      calendar.name = "elsewhere";
      calendar.setProperty("username", args[2]);
      cal.manager.registerCalendar(calendar);"""
    client.run(script, part.shown, part.hidden, part.user)
    assert add(part.hidden, "intruder") != "", "it was taken"
    script = "const late = new Promise(done => setTimeout(() => done([]), 10000)); return Promise.race([items(at(args[0])).then(all => all.map(item => item.title), () => []), late]);"
    same(client.run(script, part.hidden), [])
    part.untouched(before)


if MINTED:
    check("a password that only reads finds all calendars, read-only, and keeps up with them")(reads_alone)
    check("a password that only reads changes nothing, and Thunderbird says so")(reads_changes_nothing)
    check("a password for one calendar finds that one alone")(one_calendar)
    check("a password for one calendar keeps in step with it both ways")(one_calendar_both_ways)
    check("a password for one calendar reaches no other by its address")(no_other_by_its_address)

client = Thunderbird(PRELUDE)
atexit.register(client.stop)
keep(SHAREE)
run()

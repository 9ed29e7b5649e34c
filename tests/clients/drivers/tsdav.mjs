// tsdav, the library of many web calendars, against kalends: login, calendars, objects, and both ways of keeping in step.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { strict as assert } from "node:assert";

import { check, finish } from "./checks.mjs";

const modules = process.env.DAV_NODE_MODULES;
const { createDAVClient } = createRequire(modules + "/")("tsdav");
const url = process.env.DAV_URL;
const root = process.env.DAV_ROOT ?? "/dav/";
const home = (process.env.DAV_HOME ?? "/dav/calendars/{user}/").replace("{user}", "alice");
const minted = process.env.DAV_PASSWORDS ? JSON.parse(readFileSync(process.env.DAV_PASSWORDS, "utf8")) : null;
const password = user => (minted ? minted[user] : user + (process.env.DAV_PASSWORD_TAIL ?? "-secret"));
const path = home + "tsdav/";

const client = user =>
  createDAVClient({
    serverUrl: url + root,
    credentials: { username: user, password: password(user) },
    authMethod: "Basic",
    defaultAccountType: "caldav",
  });

// What another client would do meanwhile.
const send = (method, to, body, headers = {}) =>
  fetch(url + to, {
    method,
    body,
    headers: { Authorization: "Basic " + btoa("alice:" + password("alice")), "Content-Type": "text/calendar; charset=utf-8", ...headers },
  });

const event = (uid, summary, day = 4) =>
  [
    "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//kalends//client tests//EN",
    "BEGIN:VEVENT", `UID:${uid}`, "DTSTAMP:20270101T000000Z",
    `DTSTART:202701${String(day).padStart(2, "0")}T100000Z`, `DTEND:202701${String(day).padStart(2, "0")}T110000Z`,
    `SUMMARY:${summary}`, "END:VEVENT", "END:VCALENDAR", "",
  ].join("\r\n");

const summaries = objects => objects.map(o => /SUMMARY:(.*?)\r?\n/.exec(o.data)[1]).sort();
const where = object => new URL(object.url, url).pathname;

let dav, calendar, first;

check("login finds the account by discovery", async () => {
  await send("DELETE", path);
  dav = await client("alice");
});

check("a new user has calendars already", async () => {
  const components = (await (await client("carol")).fetchCalendars()).flatMap(c => c.components);
  assert.ok(components.includes("VEVENT") && components.includes("VTODO"), String(components));
});

check("a calendar is made", async () => {
  const [made] = await dav.makeCalendar({ url: url + path, props: { "d:displayname": "Web <calendar> & more", "ca:calendar-color": "#3366CC" } });
  assert.ok(made.ok, JSON.stringify(made));
});

check("it is listed with its name, colour, tag and token", async () => {
  calendar = (await dav.fetchCalendars()).find(c => where(c) === path);
  assert.equal(calendar.displayName, "Web <calendar> & more");
  assert.equal(calendar.calendarColor.slice(0, 7).toUpperCase(), "#3366CC");
  assert.ok(calendar.ctag && calendar.syncToken, JSON.stringify(calendar));
});

check("it says that it can be synchronised", async () => {
  assert.ok(calendar.reports.includes("syncCollection"), String(calendar.reports));
  assert.ok(calendar.reports.includes("calendarMultiget"), String(calendar.reports));
});

check("an object is created, and not twice under one name", async () => {
  const object = { calendar, filename: "one.ics", iCalString: event("ts-1", "One") };
  assert.equal((await dav.createCalendarObject(object)).status, 201);
  assert.equal((await dav.createCalendarObject(object)).status, 412);
});

check("it is fetched with its data and ETag", async () => {
  const objects = await dav.fetchCalendarObjects({ calendar });
  assert.deepEqual(summaries(objects), ["One"]);
  [first] = objects;
  assert.match(first.etag, /"/);
});

check("a window of time holds it or does not", async () => {
  const during = (from, to) => dav.fetchCalendarObjects({ calendar, timeRange: { start: from, end: to } });
  assert.equal((await during("2027-01-04T00:00:00Z", "2027-01-05T00:00:00Z")).length, 1);
  assert.equal((await during("2027-01-05T00:00:00Z", "2027-01-06T00:00:00Z")).length, 0);
});

check("a window of time that is expanded has each instance, with its own time", async () => {
  const series = event("ts-series", "Series", 10).replace("SUMMARY", "RRULE:FREQ=DAILY;COUNT=5\r\nSUMMARY");
  assert.equal((await send("PUT", path + "series.ics", series)).status, 201);
  const timeRange = { start: "2027-01-11T00:00:00Z", end: "2027-01-14T00:00:00Z" };
  const [one, ...others] = await dav.fetchCalendarObjects({ calendar, timeRange, expand: true });
  assert.equal(others.length, 0);
  const starts = [...one.data.matchAll(/DTSTART:(\d{8})T100000Z/g)].map(found => found[1]);
  assert.deepEqual(starts.sort(), ["20270111", "20270112", "20270113"]);
  assert.ok(!one.data.includes("RRULE"), one.data);
  assert.equal((await send("DELETE", path + "series.ics")).status, 204);
});

const sync = objects =>
  dav.smartCollectionSync({
    collection: { ...calendar, objects, objectMultiGet: dav.calendarMultiGet },
    method: "webdav",
    detailedResult: true,
  });
const counts = ({ objects: { created, updated, deleted } }) => [created.length, updated.length, deleted.length];

check("a sync without changes reports none", async () => {
  calendar = (await dav.fetchCalendars()).find(c => where(c) === path);
  assert.deepEqual(counts(await sync([first])), [0, 0, 0]);
  assert.equal((await dav.isCollectionDirty({ collection: calendar })).isDirty, false);
});

check("a sync reports what others made and changed", async () => {
  await send("PUT", path + "two.ics", event("ts-2", "Two", 5));
  await send("PUT", path + "one.ics", event("ts-1", "One again"));
  assert.deepEqual(counts(await sync([first])), [1, 1, 0]);
  assert.equal((await dav.isCollectionDirty({ collection: calendar })).isDirty, true);
});

check("an update with the stale ETag is refused", async () => {
  const answer = await dav.updateCalendarObject({ calendarObject: { ...first, data: event("ts-1", "Stale") } });
  assert.equal(answer.status, 412);
});

check("an update with the fresh one is stored", async () => {
  const fresh = (await dav.fetchCalendarObjects({ calendar })).find(o => where(o) === path + "one.ics");
  const answer = await dav.updateCalendarObject({ calendarObject: { ...fresh, data: event("ts-1", "Fresh") } });
  assert.ok(answer.ok, String(answer.status));
  assert.deepEqual(summaries(await dav.fetchCalendarObjects({ calendar })), ["Fresh", "Two"]);
});

check("a multiget brings the named ones", async () => {
  const got = await dav.calendarMultiGet({
    url: calendar.url,
    props: { "d:getetag": {}, "c:calendar-data": {} },
    objectUrls: [path + "one.ics", path + "two.ics"],
    depth: "1",
  });
  assert.equal(got.length, 2);
});

check("a sync reports what others deleted", async () => {
  const before = await dav.fetchCalendarObjects({ calendar });
  calendar = (await dav.fetchCalendars()).find(c => where(c) === path);
  await send("DELETE", path + "two.ics");
  assert.deepEqual(counts(await sync(before)), [0, 0, 1]);
});

check("an object is deleted by its ETag", async () => {
  const [left] = await dav.fetchCalendarObjects({ calendar });
  assert.ok((await dav.deleteCalendarObject({ calendarObject: left })).ok);
  assert.equal((await dav.fetchCalendarObjects({ calendar })).length, 0);
});

check("a new device sees the calendar as created", async () => {
  const found = await dav.syncCalendars({ oldCalendars: [], detailedResult: true });
  assert.ok(found.created.some(c => where(c) === path));
});

check("another user does not see it", async () => {
  const others = await (await client("bob")).fetchCalendars();
  assert.ok(others.every(c => where(c) !== path));
});

check("the calendar is deleted", async () => {
  assert.ok((await dav.deleteObject({ url: calendar.url })).ok);
  assert.ok((await dav.fetchCalendars()).every(c => where(c) !== path));
});

await finish();

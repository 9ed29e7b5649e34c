// tsdav with app passwords: one that only reads, and one for one calendar.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { strict as assert } from "node:assert";

import { check, finish } from "./checks.mjs";

const { createDAVClient } = createRequire(process.env.DAV_NODE_MODULES + "/")("tsdav");
const url = process.env.DAV_URL;
const home = process.env.DAV_HOME.replace("{user}", "alice");
const [shown, hidden] = [home + "calendar/", home + "tsdav-private/"];
const minted = JSON.parse(readFileSync(process.env.DAV_PASSWORDS, "utf8"));

const client = reach =>
  createDAVClient({
    serverUrl: url + process.env.DAV_ROOT,
    credentials: { username: "alice", password: minted[`alice ${reach}`.trim()] },
    authMethod: "Basic",
    defaultAccountType: "caldav",
  });
const send = (method, path, body, headers = {}) =>
  fetch(url + path, { method, body, headers: { Authorization: "Basic " + btoa("alice:" + minted.alice), "Content-Type": "text/calendar", ...headers } });
const event = (uid, summary) =>
  [
    "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//kalends//client tests//EN", "BEGIN:VEVENT", `UID:${uid}`, "DTSTAMP:20270101T000000Z",
    "DTSTART:20270104T100000Z", "DTEND:20270104T110000Z", `SUMMARY:${summary}`, "END:VEVENT", "END:VCALENDAR", "",
  ].join("\r\n");
const where = object => new URL(object.url, url).pathname;

// All that its owner has.
const kept = async () => {
  const seen = [];
  for (const path of [home, shown, hidden]) {
    const body = '<propfind xmlns="DAV:"><prop><getetag/><displayname/><resourcetype/></prop></propfind>';
    const answer = await send("PROPFIND", path, body, { Depth: "1", "Content-Type": "application/xml" });
    assert.equal(answer.status, 207);
    seen.push(await answer.text());
  }
  return seen;
};
// Fails unless it was refused, by a status or an exception, and all is as it was.
const refused = async action => {
  const before = await kept();
  let told;
  try {
    told = [await action()].flat();
  } catch {
    told = [];
  }
  assert.ok(told.every(answer => !answer.ok && [403, 404, 409].includes(answer.status)), JSON.stringify(told.map(({ status }) => status)));
  assert.deepEqual(await kept(), before);
};

let reads, part;

check("there are two calendars, with an event each", async () => {
  await send("DELETE", hidden);
  assert.equal((await send("MKCALENDAR", hidden, "", { "Content-Type": "application/xml" })).status, 201);
  assert.ok((await send("PUT", shown + "tsdav.ics", event("tsdav-shown", "Shown"))).ok);
  assert.ok((await send("PUT", hidden + "hidden.ics", event("tsdav-hidden", "Hidden"))).ok);
});

check("what only reads finds both and reads them", async () => {
  reads = await client("reads");
  const calendars = await reads.fetchCalendars();
  for (const [path, text] of [[shown, "SUMMARY:Shown"], [hidden, "SUMMARY:Hidden"]]) {
    const calendar = calendars.find(one => where(one) === path);
    assert.ok((await reads.fetchCalendarObjects({ calendar })).some(one => one.data.includes(text)), path);
  }
});

check("what only reads is told that it cannot add, change or delete", async () => {
  const calendar = (await reads.fetchCalendars()).find(one => where(one) === shown);
  await refused(() => reads.createCalendarObject({ calendar, filename: "intruder.ics", iCalString: event("intruder", "x") }));
  const object = (await reads.fetchCalendarObjects({ calendar })).find(one => where(one) === shown + "tsdav.ics");
  await refused(() => reads.updateCalendarObject({ calendarObject: { ...object, data: event("tsdav-shown", "x") } }));
  await refused(() => reads.deleteCalendarObject({ calendarObject: object }));
  await refused(() => reads.makeCalendar({ url: url + home + "another/", props: { "d:displayname": "Another" } }));
  await refused(() => reads.deleteObject({ url: url + hidden }));
});

check("what is for one calendar finds that one alone", async () => {
  part = await client("part");
  assert.deepEqual((await part.fetchCalendars()).map(where), [shown]);
});

check("what is for one calendar writes to it, and hears what others write", async () => {
  const [calendar] = await part.fetchCalendars();
  const objects = await part.fetchCalendarObjects({ calendar });
  const made = { calendar, filename: "from-part.ics", iCalString: event("from-part", "From one calendar") };
  assert.equal((await part.createCalendarObject(made)).status, 201);
  assert.match(await (await send("GET", shown + "from-part.ics")).text(), /From one calendar/);
  const collection = { ...calendar, objects, objectMultiGet: part.calendarMultiGet };
  const { created } = (await part.smartCollectionSync({ collection, method: "webdav", detailedResult: true })).objects;
  assert.deepEqual(created.map(where), [shown + "from-part.ics"]);
  assert.ok((await part.deleteCalendarObject({ calendarObject: created[0] })).ok);
});

check("what is for one calendar sees no other by its address, and changes nothing there", async () => {
  const calendar = { url: url + hidden };
  for (const path of [hidden, "/dav/alice/tsdav-private/"]) {
    const seen = await part.fetchCalendarObjects({ calendar: { url: url + path } }).catch(() => []);
    assert.deepEqual(seen.filter(one => one.data), [], path);
  }
  const [mine] = await part.fetchCalendars();
  const got = await part.calendarMultiGet({ url: mine.url, props: { "d:getetag": {}, "c:calendar-data": {} }, objectUrls: [hidden + "hidden.ics"], depth: "1" }).catch(() => []);
  assert.ok(!JSON.stringify(got).includes("SUMMARY"), JSON.stringify(got));
  await refused(() => part.createCalendarObject({ calendar, filename: "intruder.ics", iCalString: event("intruder", "x") }));
  await refused(() => part.deleteCalendarObject({ calendarObject: { url: url + hidden + "hidden.ics", etag: "" } }));
  await refused(() => part.deleteObject({ url: url + hidden }));
  await refused(() => part.makeCalendar({ url: url + home + "another/", props: { "d:displayname": "Another" } }));
  await refused(() => part.deleteObject({ url: url + shown }));
});

await finish();

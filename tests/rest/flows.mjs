// What a web front end does with calendars, as its documentation has it: CalDAV by tsdav where it speaks CalDAV, and the REST
// service for the rest, both at one host through a real nginx. What is done by one way is looked at by the other.
import { createRequire } from "node:module";
import { randomUUID } from "node:crypto";
import { strict as assert } from "node:assert";

import { check, finish } from "../clients/drivers/checks.mjs";

const { createDAVClient, davRequest, DAVNamespaceShort } = createRequire(process.env.DAV_NODE_MODULES + "/")("tsdav");
const url = process.env.DAV_URL;
const api = url + "/api/v1.0/";
const root = "/api/v1.0/caldav/";
const [ann, ben] = ["ann@example.com", "ben@example.com"];
const basic = user => "Basic " + btoa(`${user}:${user}-secret`);

const client = user =>
  createDAVClient({
    serverUrl: url + root,
    credentials: { username: user, password: `${user}-secret` },
    authMethod: "Basic",
    defaultAccountType: "caldav",
  });

// A request to the REST service: status, and JSON where there is some.
const rest = async (user, method, path, body) => {
  const form = body instanceof FormData;
  const headers = { Authorization: basic(user), ...(body && !form ? { "Content-Type": "application/json" } : {}) };
  const answer = await fetch(api + path, { method, headers, body: form ? body : body && JSON.stringify(body) });
  const text = await answer.text();
  return { status: answer.status, json: text && answer.headers.get("content-type") === "application/json" ? JSON.parse(text) : text };
};

// XML that the front end writes itself.
const xml = async (user, method, path, body, headers = {}) =>
  fetch(url + path, { method, body, headers: { Authorization: basic(user), "Content-Type": "application/xml; charset=utf-8", ...headers } });

const where = calendar => new URL(calendar.url, url).pathname;
const listed = async (user, id) => (await rest(user, "GET", "calendars/")).json.results.find(one => one.id === id);
const event = (uid, summary, lines = []) =>
  ["BEGIN:VEVENT", `UID:${uid}`, "DTSTAMP:20270101T000000Z", "DTSTART:20270104T100000Z", "DTEND:20270104T110000Z", ...lines,
    `SUMMARY:${summary}`, "END:VEVENT"].join("\r\n");
const stream = (...events) => ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//front end//EN", ...events, "END:VCALENDAR", ""].join("\r\n");

let anns, bens, made, calendar, token;

check("who is signed in is told in the words the pages know", async () => {
  const { status, json } = await rest(ann, "GET", "users/me/");
  assert.deepEqual([status, Object.keys(json).sort().join()], [200, "can_access,email,full_name,id,language,short_name"]);
  assert.equal(json.email, ann);
  assert.equal((await rest(ann, "PATCH", `users/${json.id}/`, { language: "fr-fr" })).json.language, "fr-fr");
  const config = await (await fetch(api + "config/")).json();
  assert.ok(config.LANGUAGES.length >= 4 && "theme_customization" in config);
  const nobody = await fetch(api + "users/me/");
  assert.equal(nobody.status, 401);
});

check("calendars are found by discovery, the same by both ways", async () => {
  [anns, bens] = [await client(ann), await client(ben)];
  const dav = (await anns.fetchCalendars()).map(where).sort();
  const told = (await rest(ann, "GET", "calendars/")).json.results.map(one => root + one.caldav_path.slice(1)).sort();
  assert.deepEqual(told, dav);
});

check("a calendar that the front end makes by MKCALENDAR is there over REST", async () => {
  const path = root + `calendars/${ann}/${randomUUID()}/`;
  const body = `<?xml version="1.0" encoding="utf-8"?><C:mkcalendar xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:A="http://apple.com/ns/ical/">
    <D:set><D:prop><D:displayname>Team &amp; friends</D:displayname><C:calendar-description>Ours</C:calendar-description>
    <A:calendar-color>#3788d8</A:calendar-color><C:supported-calendar-component-set><C:comp name="VEVENT"/></C:supported-calendar-component-set>
    </D:prop></D:set></C:mkcalendar>`;
  assert.equal((await xml(ann, "MKCALENDAR", path, body)).status, 201);
  calendar = (await anns.fetchCalendars()).find(one => where(one) === path);
  made = (await rest(ann, "GET", "calendars/")).json.results.find(one => root + one.caldav_path.slice(1) === path);
  assert.deepEqual([made.name, made.color, made.description, made.role, made.components.join()], ["Team & friends", "#3788d8", "Ours", "owner", "VEVENT"]);
  assert.equal(calendar.displayName, made.name);
});

check("one that is made over REST, as was documented, is there for tsdav", async () => {
  const { status, json } = await rest(ann, "POST", "calendars", { name: "By REST", color: "#00aa00" });
  assert.equal(status, 201);
  const seen = (await anns.fetchCalendars()).find(one => where(one) === root + json.caldav_path.slice(1));
  assert.deepEqual([seen.displayName, seen.calendarColor], ["By REST", "#00aa00"]);
  assert.equal((await rest(ann, "DELETE", `calendars/${json.id}/`)).status, 204);
  assert.ok((await anns.fetchCalendars()).every(one => where(one) !== where(seen)));
});

check("a colour that is set in one is read in the other, at once and both ways", async () => {
  const [answer] = await davRequest({
    url: calendar.url,
    init: {
      method: "PROPPATCH", namespace: DAVNamespaceShort.DAV,
      headers: { Authorization: basic(ann) },
      body: { propertyupdate: { _attributes: { "xmlns:d": "DAV:", "xmlns:ca": "http://apple.com/ns/ical/" }, set: { prop: { "ca:calendar-color": "#ff0000", "d:displayname": "Team" } } } },
    },
  });
  assert.ok(answer.ok, JSON.stringify(answer));
  const told = await listed(ann, made.id);
  assert.deepEqual([told.color, told.name], ["#ff0000", "Team"]);
  const { status, json } = await rest(ann, "PATCH", `calendars/${made.id}/`, { color: "#0000ff" });
  assert.deepEqual([status, json.color], [200, "#0000ff"]);
  assert.equal((await anns.fetchCalendars()).find(one => where(one) === where(calendar)).calendarColor, "#0000ff");
});

const invites = async () => {
  const body = `<D:propfind xmlns:D="DAV:" xmlns:CS="http://calendarserver.org/ns/"><D:prop><CS:invite/></D:prop></D:propfind>`;
  return (await xml(ann, "PROPFIND", where(calendar), body, { Depth: "0" })).text();
};

check("somebody is found by their address, and the calendar is shared with them by CS:share", async () => {
  const found = (await rest(ann, "GET", "users/?q=" + encodeURIComponent(ben))).json;
  assert.deepEqual(found.map(one => one.email), [ben]);
  const body = `<CS:share xmlns:D="DAV:" xmlns:CS="http://calendarserver.org/ns/"><CS:set><D:href>mailto:${ben}</D:href>
    <CS:common-name>Ben</CS:common-name><CS:summary>Team</CS:summary><CS:read-write/></CS:set></CS:share>`;
  assert.equal((await xml(ann, "POST", where(calendar), body)).status, 200);
  const { json } = await rest(ann, "GET", `calendars/${made.id}/shares/`);
  assert.deepEqual(json.results.map(one => [one.role, one.status]), [["owner", "accepted"], ["editor", "accepted"]]);
  assert.equal((await listed(ben, made.id)).role, "editor");
  assert.ok((await bens.fetchCalendars()).some(one => where(one) === root + "calendars/ben@example.com/" + where(one).split("/").at(-2) + "/" && one.displayName === "Team"));
});

check("it is shared with them no longer, by CS:remove", async () => {
  const body = `<CS:share xmlns:D="DAV:" xmlns:CS="http://calendarserver.org/ns/"><CS:remove><D:href>mailto:${ben}</D:href></CS:remove></CS:share>`;
  assert.equal((await xml(ann, "POST", where(calendar), body)).status, 200);
  assert.equal((await rest(ann, "GET", `calendars/${made.id}/shares/`)).json.count, 1);
  assert.equal(await listed(ben, made.id), undefined);
});

check("the same over REST, and CS:invite shows it", async () => {
  const { status, json } = await rest(ann, "POST", `calendars/${made.id}/shares/`, { email: ben, role: "reader" });
  assert.equal(status, 201);
  const told = await invites();
  assert.ok(/access><[^>]*:read\/>/.test(told) && told.includes("ben@example.com"), told);
  const theirs = (await bens.fetchCalendars()).find(one => one.displayName === "Team");
  const refused = await bens.createCalendarObject({ calendar: theirs, filename: "x.ics", iCalString: stream(event("x", "No")) });
  assert.equal(refused.status, 403);
  assert.equal((await rest(ann, "DELETE", `calendars/${made.id}/shares/${json.id}/`)).status, 204);
  assert.ok(!(await invites()).includes("ben@example.com"));
});

// A file as the dialog sends it.
const imported = (user, path, text) => {
  const form = new FormData();
  form.append("file", new Blob([text], { type: "text/calendar" }), "events.ics");
  form.append("caldav_path", path);
  return rest(user, "POST", "calendars/import-events/", form);
};

check("a file is imported, once: what is broken is told of, overrides stay with their series", async () => {
  const series = event("s", "Weekly", ["RRULE:FREQ=WEEKLY;COUNT=4"]);
  const override = event("s", "Moved", ["RECURRENCE-ID:20270111T100000Z"]).replace("DTSTART:20270104", "DTSTART:20270112").replace("DTEND:20270104", "DTEND:20270112");
  const broken = event("b", "Broken").replace("DTSTART:20270104T100000Z\r\n", "");
  const text = stream(override, event("one", "One"), broken, series);
  const first = await imported(ann, made.caldav_path, text);
  assert.deepEqual([first.status, first.json], [200, { total_events: 3, imported_count: 2, duplicate_count: 0, skipped_count: 1, errors: ["Broken"] }]);
  const again = await imported(ann, "/api/v1.0/caldav" + made.caldav_path, text);
  assert.deepEqual([again.json.imported_count, again.json.duplicate_count], [0, 2]);
  const objects = await anns.fetchCalendarObjects({ calendar });
  assert.equal(objects.length, 2);
  assert.ok(objects.some(one => one.data.includes("SUMMARY:Weekly") && one.data.includes("SUMMARY:Moved")));
  assert.deepEqual(await imported(ben, made.caldav_path, text), { status: 403, json: { error: "You don't have access to this calendar" } });
});

check("a link to the calendar is made, followed by strangers, and made anew", async () => {
  const wanted = { caldav_path: made.caldav_path, calendar_name: "Team" };
  const first = await rest(ann, "POST", "subscription-tokens/", wanted);
  assert.equal(first.status, 201);
  for (const key of ["token", "url", "caldav_path", "calendar_name", "is_active", "last_accessed_at", "created_at"]) assert.ok(key in first.json, key);
  const again = await rest(ann, "POST", "subscription-tokens/", wanted);
  assert.deepEqual([again.status, again.json.token], [200, first.json.token]);
  const byPath = "subscription-tokens/by-path/?caldav_path=" + encodeURIComponent(made.caldav_path);
  assert.equal((await rest(ann, "GET", byPath)).json.token, first.json.token);
  const follow = async link => fetch(new URL(new URL(link, url).pathname, url));
  const feed = await follow(first.json.url);
  assert.deepEqual([feed.status, feed.headers.get("content-type")], [200, "text/calendar; charset=utf-8"]);
  assert.ok((await feed.text()).includes("SUMMARY:Weekly"));
  assert.equal((await rest(ann, "DELETE", byPath)).status, 204);
  token = await rest(ann, "POST", "subscription-tokens/", wanted);
  assert.notEqual(token.json.token, first.json.token);
  assert.deepEqual([(await follow(first.json.url)).status, (await follow(token.json.url)).status], [404, 200]);
  assert.equal((await rest(ben, "GET", byPath)).status, 403);
});

check("one of a series is changed without the front end's surgery, and who was slower hears of it", async () => {
  const object = (await anns.fetchCalendarObjects({ calendar })).find(one => one.data.includes("SUMMARY:Weekly"));
  const edit = { scope: "this", recurrence_id: "2027-01-18T10:00:00Z", changes: { summary: "Once other" } };
  const { status, json } = await rest(ann, "POST", `calendars/${made.id}/events/s/edit/`, edit);
  assert.deepEqual([status, json.objects.length], [200, 1]);
  const late = await anns.updateCalendarObject({ calendarObject: { ...object, data: object.data.replace("Weekly", "Late") } });
  assert.equal(late.status, 412);
  const now = (await anns.fetchCalendarObjects({ calendar })).find(one => one.data.includes("SUMMARY:Weekly"));
  assert.ok(now.data.includes("SUMMARY:Once other") && now.data.includes("SUMMARY:Moved"));
});

check("the calendar is deleted by tsdav, and gone for REST and for who has the link", async () => {
  assert.ok((await anns.deleteObject({ url: calendar.url })).ok);
  assert.equal((await rest(ann, "GET", `calendars/${made.id}/`)).status, 404);
  assert.equal((await fetch(new URL(new URL(token.json.url, url).pathname, url))).status, 404);
});

await finish();

//! THE TABLE of what requests and answers consist of: each type once, with an example; the routes name them. `spelled` says how
//! it is told.

use Kind::{Any, File, Flag, Like, List, Number, Object, Of, One, Text, Time, Uuid};

/// A type: an object with these fields.
pub struct Schema {
    /// Its name.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub doc: &'static str,
    /// Its fields.
    pub fields: &'static [Field],
    /// One, as JSON.
    pub example: &'static str,
}

/// A field of a type.
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// What that means.
    pub doc: &'static str,
    /// Whether it may be null.
    pub null: bool,
    /// Whether it may be absent.
    pub optional: bool,
}

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A text of at most so many characters; 0 is no limit.
    Text(u32),
    /// A text that looks like that regular expression.
    Like(&'static str),
    /// A UUID.
    Uuid,
    /// A time (RFC 3339).
    Time,
    /// A whole number.
    Number,
    /// True or false.
    Flag,
    /// One of these words.
    One(&'static [&'static str]),
    /// A list.
    List(&'static Kind),
    /// Another type of this table.
    Of(&'static str),
    /// A file of that media type, in a form.
    File(&'static str),
    /// An object of any fields.
    Object,
    /// Anything.
    Any,
}

const fn has(name: &'static str, kind: Kind, doc: &'static str) -> Field {
    Field { name, kind, doc, null: false, optional: false }
}

const fn may(name: &'static str, kind: Kind, doc: &'static str) -> Field {
    Field { optional: true, ..has(name, kind, doc) }
}

impl Field {
    const fn or_null(self) -> Self {
        Self { null: true, ..self }
    }
}

const fn row(
    name: &'static str,
    doc: &'static str,
    fields: &'static [Field],
    example: &'static str,
) -> Schema {
    Schema { name, doc, fields, example }
}

const COLOR: Kind = Like("^#([0-9a-fA-F]{3}|[0-9a-fA-F]{6}|[0-9a-fA-F]{8})$");
const COMPONENTS: Kind = List(&One(&["VEVENT", "VTODO", "VJOURNAL"]));
const VISIBILITY: Kind = One(&["visible", "hidden"]);
const ROLE: Kind = One(&["freebusy", "reader", "editor", "administrator", "owner"]);
const GIVEN_ROLE: Kind = One(&["freebusy", "reader", "editor", "administrator"]);
const MODE: Kind = One(&["full", "busy"]);

const CHANGES: &[&str] = &[
    "made",
    "changed",
    "deleted",
    "moved-away",
    "moved-here",
    "renamed",
    "described",
    "access-changed",
    "restored",
];
const DEEDS: &[&str] =
    &["granted", "revoked", "joined", "left", "renamed", "disabled", "enabled", "transferred", "purged"];

/// The types.
pub const SCHEMAS: &[Schema] = &[
    row(
        "Error",
        "What is answered when something is wrong.",
        &[
            has(
                "type",
                One(&["client_error", "validation_error", "server_error"]),
                "Whose fault it is; a `validation_error` is about what was sent.",
            ),
            has("errors", List(&Of("Fault")), "Each fault; one, unless it is a `validation_error`."),
        ],
        r#"{"type": "validation_error", "errors": [{"code": "required", "detail": "This field is required.",
  "attr": "name"}]}"#,
    ),
    row(
        "Fault",
        "One thing that is wrong.",
        &[
            has("code", Text(0), "What, for programs."),
            has("detail", Text(0), "What, for people."),
            has("attr", Text(0), "The field it is about.").or_null(),
        ],
        r#"{"code": "not_found", "detail": "Not found.", "attr": null}"#,
    ),
    row(
        "PlainError",
        "What is wrong, in the words of the pages that bring files in.",
        &[has("error", Text(0), "What, for people.")],
        r#"{"error": "No file provided"}"#,
    ),
    row(
        "Document",
        "A description of this service in OpenAPI 3.1.",
        &[
            has("openapi", Text(0), "The version of OpenAPI."),
            has("info", Object, "What it describes."),
            has("paths", Object, "The routes."),
            has("components", Object, "What they have in common."),
            has("servers", List(&Object), "Where they are."),
            has("security", List(&Object), "How people sign in."),
        ],
        r#"{"openapi": "3.1.0", "info": {}, "paths": {}, "components": {}, "servers": [], "security": []}"#,
    ),
    row(
        "Config",
        "What web pages need to know of an installation.",
        &[
            has("ENVIRONMENT", Text(0), "What the installation is called."),
            has("FRONTEND_THEME", Any, "The theme."),
            has("FRONTEND_MORE_LINK", Any, "Where more is told."),
            has("FRONTEND_FEEDBACK_BUTTON_SHOW", Any, "Whether there is a button for feedback."),
            has("FRONTEND_FEEDBACK_BUTTON_IDLE", Any, "Whether it does nothing."),
            has("FRONTEND_FEEDBACK_ITEMS", Any, "What it offers."),
            has("FRONTEND_FEEDBACK_MESSAGES_WIDGET_ENABLED", Any, "Whether there is a widget for messages."),
            has("FRONTEND_FEEDBACK_MESSAGES_WIDGET_API_URL", Any, "Where it sends them."),
            has("FRONTEND_FEEDBACK_MESSAGES_WIDGET_CHANNEL", Any, "By which channel."),
            has("FRONTEND_FEEDBACK_MESSAGES_WIDGET_PATH", Any, "Where the widget is loaded from."),
            has("FRONTEND_HIDE_GAUFRE", Any, "Whether the menu of other services is hidden."),
            has("MEDIA_BASE_URL", Any, "Where media are."),
            has("LANGUAGES", List(&List(&Text(0))), "The languages: code and name of each."),
            has("LANGUAGE_CODE", Text(0), "The language of who chose none."),
            has("SENTRY_DSN", Any, "Where faults of the pages are told."),
            has("theme_customization", Object, "What `api.theme_file` says."),
        ],
        r#"{"ENVIRONMENT": "production", "FRONTEND_THEME": null, "FRONTEND_MORE_LINK": null,
  "FRONTEND_FEEDBACK_BUTTON_SHOW": false, "FRONTEND_FEEDBACK_BUTTON_IDLE": false,
  "FRONTEND_FEEDBACK_ITEMS": {}, "FRONTEND_FEEDBACK_MESSAGES_WIDGET_ENABLED": false,
  "FRONTEND_FEEDBACK_MESSAGES_WIDGET_API_URL": null,
  "FRONTEND_FEEDBACK_MESSAGES_WIDGET_CHANNEL": null,
  "FRONTEND_FEEDBACK_MESSAGES_WIDGET_PATH": null, "FRONTEND_HIDE_GAUFRE": false,
  "MEDIA_BASE_URL": null, "LANGUAGES": [["en-us", "English"]], "LANGUAGE_CODE": "en-us",
  "SENTRY_DSN": null, "theme_customization": {}}"#,
    ),
    row(
        "User",
        "Somebody.",
        &[
            has("id", Uuid, "What stays of them whatever they are called."),
            has("email", Text(0), "Their address.").or_null(),
            has("full_name", Text(0), "What they are called.").or_null(),
            has("short_name", Text(20), "The same in short.").or_null(),
            has("language", Text(0), "The language that they are talked to in."),
        ],
        r#"{"id": "0a4b7c12-98de-4a6b-8c1f-3f2d90b1e7aa", "email": "alice@example.org",
  "full_name": "Alice Anyone", "short_name": "Alice", "language": "en-us"}"#,
    ),
    row(
        "Me",
        "Who is signed in.",
        &[
            has("id", Uuid, "What stays of them whatever they are called."),
            has("email", Text(0), "Their address.").or_null(),
            has("full_name", Text(0), "What they are called.").or_null(),
            has("short_name", Text(20), "The same in short.").or_null(),
            has("language", Text(0), "The language that they are talked to in."),
            has("can_access", Flag, "Whether they are entitled to calendars of their own."),
        ],
        r#"{"id": "0a4b7c12-98de-4a6b-8c1f-3f2d90b1e7aa", "email": "alice@example.org",
  "full_name": "Alice Anyone", "short_name": "Alice", "language": "en-us", "can_access": true}"#,
    ),
    row(
        "UserSettings",
        "Somebody, and how they want to be talked to.",
        &[
            has("id", Uuid, "What stays of them whatever they are called."),
            has("email", Text(0), "Their address.").or_null(),
            has("full_name", Text(0), "What they are called.").or_null(),
            has("short_name", Text(20), "The same in short.").or_null(),
            has("language", Text(0), "The language that they are talked to in."),
            has("timezone", Text(0), "The time zone that pages show times in."),
        ],
        r#"{"id": "0a4b7c12-98de-4a6b-8c1f-3f2d90b1e7aa", "email": "alice@example.org",
  "full_name": "Alice Anyone", "short_name": "Alice", "language": "en-us",
  "timezone": "Europe/Paris"}"#,
    ),
    row(
        "UserPatch",
        "How somebody wants to be talked to; other fields are passed over.",
        &[
            may("language", Text(255), "One of those that `config/` tells.").or_null(),
            may("timezone", Text(255), "A name of the IANA database.").or_null(),
        ],
        r#"{"language": "fr-fr", "timezone": "Europe/Paris"}"#,
    ),
    row(
        "Erasure",
        "That whoever asks wants to be erased.",
        &[
            has("confirm", Text(255), "Their own user name."),
            may(
                "everywhere",
                Flag,
                "Whether the calendars of others are to name them no longer either, as attendees, as organizers, or by their address; it is done soon after.",
            ),
        ],
        r#"{"confirm": "alice", "everywhere": true}"#,
    ),
    row(
        "History",
        "Changes of a calendar, the latest first.",
        &[
            has("next", Text(0), "Where those before them are.").or_null(),
            has("results", List(&Of("HistoryEntry")), "The changes."),
        ],
        r#"{"next": null, "results": []}"#,
    ),
    row(
        "HistoryEntry",
        "A change of a calendar, or of something in it.",
        &[
            has("id", Text(0), "Its place among all changes."),
            has("at", Time, "When it was made."),
            has("action", One(CHANGES), "What was done."),
            has("by", Text(0), "By whom, a user name; null is the service, or somebody who is no more.")
                .or_null(),
            has("with", Text(0), "With which program.").or_null(),
            has("calendar", Text(0), "The name of the calendar in its path.").or_null(),
            has("object", Text(0), "The name of the object in it; null is the calendar itself.").or_null(),
            has("title", Text(0), "What the object is called, as iCalendar writes it.").or_null(),
            has("changed", List(&Text(0)), "Which of its properties were changed."),
            has("was", Text(0), "The name that the calendar had before.").or_null(),
        ],
        r#"{"id": "17", "at": "2026-01-31T09:00:00Z", "action": "changed", "by": "bob", "with": "DAVx5/4",
  "calendar": "work", "object": "lunch.ics", "title": "Lunch", "changed": ["DTSTART"], "was": null}"#,
    ),
    row(
        "Audit",
        "What was done to people and rights, the latest first.",
        &[
            has("next", Text(0), "Where what was done before is.").or_null(),
            has("results", List(&Of("AuditEntry")), "The deeds."),
        ],
        r#"{"next": null, "results": []}"#,
    ),
    row(
        "AuditEntry",
        "One thing that was done.",
        &[
            has("id", Text(0), "Its place among all that was done."),
            has("at", Time, "When."),
            has("action", One(DEEDS), "What."),
            has("by", Text(0), "By whom: a user name, or `(proxy)`, or `(operator NAME)`.").or_null(),
            has("home", Text(0), "In whose home.").or_null(),
            has("calendar", Text(0), "To which calendar there; null is the home.").or_null(),
            has("to", Text(0), "To whom.").or_null(),
            has("detail", Text(0), "Privileges, a group, or another name.").or_null(),
        ],
        r#"{"id": "3", "at": "2026-01-31T09:00:00Z", "action": "granted", "by": "alice", "home": "alice",
  "calendar": "work", "to": "bob", "detail": "D:read"}"#,
    ),
    row(
        "Calendar",
        "A calendar, as it is seen in the home of whoever asks.",
        &[
            has("id", Uuid, "What stays of it whatever it is called; the same for everybody who sees it."),
            has("name", Text(0), "What it is called."),
            has("color", Text(0), "Its colour.").or_null(),
            has("description", Text(0), "What it is for.").or_null(),
            has("timezone", Text(0), "Its time zone.").or_null(),
            has("order", Number, "Its place among the others.").or_null(),
            has("visibility", VISIBILITY, "Whether pages show it."),
            has("is_default", Flag, "Whether new events go into it."),
            has("components", COMPONENTS, "What may be in it."),
            has("owner", Text(0), "The user name of its owner.").or_null(),
            has("role", ROLE, "What whoever asks may do with it."),
            has("caldav_path", Text(0), "Its path below the base path of CalDAV."),
            has("caldav_url", Text(0), "Where calendar programs find it."),
            has("object_count", Number, "How many events and tasks are in it that whoever asks sees; null where they see busy times alone. The ETag does not tell of it.")
                .or_null(),
            has("etag", Text(0), "The same as the header."),
        ],
        r##"{"id": "5f1c3b0e-2f4d-4f0a-9c55-8f6f6f0f1a11", "name": "Work", "color": "#3788d8",
  "description": null, "timezone": "Europe/Paris", "order": 1, "visibility": "visible",
  "is_default": false, "components": ["VEVENT"], "owner": "alice", "role": "owner",
  "caldav_path": "/calendars/alice/5f1c/",
  "caldav_url": "https://cal.example.org/dav/calendars/alice/5f1c/", "object_count": 12,
  "etag": "\"9f86d081884c7d659a2feaa0c55ad015\""}"##,
    ),
    row(
        "CalendarNew",
        "A calendar to be made; other fields are passed over.",
        &[
            has("name", Text(255), "What it is called."),
            may("color", COLOR, "Its colour.").or_null(),
            may("description", Text(10_000), "What it is for.").or_null(),
            may("timezone", Text(255), "A name of the IANA database.").or_null(),
            may("order", Number, "Its place among the others.").or_null(),
            may("visibility", VISIBILITY, "Whether pages show it.").or_null(),
            may("is_default", Flag, "Whether new events go into it."),
            may("components", COMPONENTS, "What may be in it; all of these if nothing is said.").or_null(),
        ],
        r##"{"name": "Work", "color": "#3788d8", "timezone": "Europe/Paris"}"##,
    ),
    row(
        "CalendarPatch",
        "What changes of a calendar: null takes away, and what is not named stays.",
        &[
            may("name", Text(255), "What it is called."),
            may("color", COLOR, "Its colour.").or_null(),
            may("description", Text(10_000), "What it is for.").or_null(),
            may("timezone", Text(255), "A name of the IANA database.").or_null(),
            may("order", Number, "Its place among the others.").or_null(),
            may("visibility", VISIBILITY, "Whether pages show it.").or_null(),
            may("is_default", Flag, "Whether new events go into it."),
        ],
        r##"{"color": "#00aa00", "description": null}"##,
    ),
    row(
        "Share",
        "With whom a calendar is shared, and what they may do.",
        &[
            has("id", Uuid, "What it is known by."),
            has("role", ROLE, "What they may do."),
            has(
                "status",
                One(&["accepted", "declined", "pending", "unknown"]),
                "What became of the invitation; nobody here has an address that is `unknown`.",
            ),
            has("email", Text(0), "Their address, where they are known by one.").or_null(),
            has("user", Text(0), "Their user name, where they are known by it.").or_null(),
            has("group", Text(0), "The name of the group that it is.").or_null(),
            has("name", Text(0), "What they are called.").or_null(),
            has("summary", Text(0), "What the calendar was called in the invitation.").or_null(),
        ],
        r#"{"id": "6e0c1d1c-7a55-8a3c-9a42-0c5a2b7b9d01", "role": "editor", "status": "accepted",
  "email": "bob@example.org", "user": null, "group": null, "name": "Bob Anyone", "summary": null}"#,
    ),
    row(
        "ShareInvite",
        "With whom a calendar is to be shared: one of `email`, `user` and `group`.",
        &[
            has("role", GIVEN_ROLE, "What they may do."),
            may("email", Text(255), "Their address.").or_null(),
            may("user", Text(255), "Their id, or their user name.").or_null(),
            may("group", Text(255), "The name of a group.").or_null(),
            may("name", Text(255), "What they are called.").or_null(),
            may("summary", Text(255), "What the calendar is called in the invitation.").or_null(),
        ],
        r#"{"email": "bob@example.org", "role": "editor"}"#,
    ),
    row(
        "SharePatch",
        "What somebody may do from now on.",
        &[may("role", GIVEN_ROLE, "What they may do.")],
        r#"{"role": "reader"}"#,
    ),
    row(
        "SubscriptionToken",
        "A secret link to a calendar.",
        &[
            has("id", Uuid, "What it is known by."),
            has("token", Text(0), "The secret."),
            has("url", Text(0), "The link: whoever has it reads the calendar."),
            has("caldav_path", Text(0), "The path of the calendar below the base path of CalDAV."),
            has("calendar_name", Text(255), "What the file is called."),
            has("label", Text(100), "What the link is called."),
            has("mode", MODE, "What it shows: all, or nothing but times."),
            has("is_active", Flag, "Whether it leads anywhere."),
            has("last_accessed_at", Time, "When it was last followed.").or_null(),
            has("created_at", Time, "When it was made."),
        ],
        r#"{"id": "3e1c7a52-7f57-4a58-a8f4-5a3b3c0cf0a4", "token": "abcdefghijkmnpqrstuvwxyz2345",
  "url": "https://cal.example.org/ical/abcdefghijkmnpqrstuvwxyz2345.ics",
  "caldav_path": "/calendars/alice/calendar/", "calendar_name": "Calendar", "label": "Fridge",
  "mode": "busy", "is_active": true, "last_accessed_at": null, "created_at": "2026-01-31T09:00:00Z"}"#,
    ),
    row(
        "SubscriptionTokenNew",
        "A secret link to be made.",
        &[
            has(
                "caldav_path",
                Text(512),
                "The path of the calendar, with or without the base path of CalDAV.",
            ),
            may(
                "calendar_name",
                Text(255),
                "What the file is called; what the calendar is called without it.",
            )
            .or_null(),
            may("label", Text(100), "What the link is called.").or_null(),
            may("mode", MODE, "What it shows: all, or nothing but times.").or_null(),
            may("busy_only", Flag, "The same in another word."),
            may("is_active", Flag, "Whether it leads anywhere."),
        ],
        r#"{"caldav_path": "/calendars/alice/calendar/", "mode": "busy", "label": "Fridge"}"#,
    ),
    row(
        "SubscriptionTokenPatch",
        "What changes of a secret link; what is not named stays, and so does the secret.",
        &[
            may("calendar_name", Text(255), "What the file is called.").or_null(),
            may("label", Text(100), "What the link is called.").or_null(),
            may("mode", MODE, "What it shows: all, or nothing but times.").or_null(),
            may("busy_only", Flag, "The same in another word."),
            may("is_active", Flag, "Whether it leads anywhere."),
        ],
        r#"{"label": "Door", "is_active": false}"#,
    ),
    row(
        "ImportForm",
        "A form with a file and the calendar that its events go into.",
        &[
            has("caldav_path", Text(0), "The path of the calendar, with or without the base path of CalDAV."),
            has("file", File("text/calendar"), "What to bring in."),
        ],
        r#"{"caldav_path": "/calendars/alice/calendar/", "file": "BEGIN:VCALENDAR …"}"#,
    ),
    row(
        "ImportCounts",
        "What became of the events of a file: the last three add up to the first.",
        &[
            has("total_events", Number, "How many there were."),
            has("imported_count", Number, "How many are new here."),
            has("duplicate_count", Number, "How many were here, as they are or otherwise, and stay."),
            has("skipped_count", Number, "How many are broken or never happen."),
            may("errors", List(&Text(0)), "Titles of broken ones, ten at most."),
        ],
        r#"{"total_events": 3, "imported_count": 1, "duplicate_count": 1, "skipped_count": 1, "errors": ["Lunch"]}"#,
    ),
    row(
        "ImportReport",
        "What became of the objects of a stream.",
        &[
            has("total", Number, "How many there were."),
            has("doubles", Number, "Parts that were there more than once, of which the newest counts."),
            has("imported", Number, "How many are new here."),
            has("unchanged", Number, "How many were here as they are."),
            has("kept", Number, "How many were here otherwise, and stay so."),
            has("skipped", Number, "How many never happen."),
            has("failed", Number, "How many are broken."),
            has("items", List(&Of("ImportItem")), "Those that did not come in, 10,000 at most."),
        ],
        r#"{"total": 2, "doubles": 0, "imported": 1, "unchanged": 0, "kept": 0, "skipped": 0, "failed": 1,
  "items": [{"line": 4, "uid": "a@example.org", "summary": "Lunch", "outcome": "failed", "why": "DTSTART is missing"}]}"#,
    ),
    row(
        "ImportItem",
        "An object that did not come in.",
        &[
            has("line", Number, "The line on which it begins."),
            has("uid", Text(0), "Its UID.").or_null(),
            has("summary", Text(0), "What it is called.").or_null(),
            has("outcome", One(&["kept", "skipped", "failed"]), "What became of it."),
            has("why", Text(0), "Why."),
        ],
        r#"{"line": 4, "uid": "a@example.org", "summary": "Lunch", "outcome": "failed", "why": "DTSTART is missing"}"#,
    ),
    row(
        "EventEdit",
        "A change of an event: either `changes` or `delete`.",
        &[
            has("scope", One(&["this", "this_and_future", "all"]), "How much of the event."),
            may(
                "recurrence_id",
                Text(100),
                "Which instance, by the time at which it was to be; only for `all` it may be left out.",
            )
            .or_null(),
            may("delete", Flag, "Whether that much of it is deleted."),
            may("changes", Of("EventChanges"), "What changes.").or_null(),
        ],
        r#"{"scope": "this", "recurrence_id": "2026-03-09T09:00:00", "changes": {"summary": "Later, once",
  "start": "2026-03-09T10:00:00", "end": "2026-03-09T11:00:00"}}"#,
    ),
    row(
        "EventChanges",
        "What changes of an event: null takes away, and what is not named stays.",
        &[
            may("summary", Text(1000), "What it is called.").or_null(),
            may("location", Text(1000), "Where it is.").or_null(),
            may("description", Text(50_000), "What is to be said of it.").or_null(),
            may(
                "status",
                One(&[
                    "TENTATIVE",
                    "CONFIRMED",
                    "CANCELLED",
                    "NEEDS-ACTION",
                    "COMPLETED",
                    "IN-PROCESS",
                    "DRAFT",
                    "FINAL",
                ]),
                "How sure it is.",
            )
            .or_null(),
            may("transp", One(&["OPAQUE", "TRANSPARENT"]), "Whether it takes time.").or_null(),
            may("class", One(&["PUBLIC", "PRIVATE", "CONFIDENTIAL"]), "Who may see it.").or_null(),
            may("rrule", Text(255), "How it recurs, as RFC 5545 §3.3.10 writes it.").or_null(),
            may("start", Text(255), "When it begins: a day, or a time with or without an offset."),
            may("end", Text(255), "When it ends, written in the same way; of days the day after the last."),
            may(
                "tz",
                Text(255),
                "The time zone of `start` and `end`: a name of the IANA database, or null for none.",
            )
            .or_null(),
            may("all_day", Flag, "Whether it is about whole days."),
        ],
        r#"{"summary": "Later", "start": "2026-03-09T10:00:00", "end": "2026-03-09T11:00:00", "tz": "Europe/Paris"}"#,
    ),
    row(
        "EventEdited",
        "What an edit left: an object, or two where a series was cut.",
        &[
            has("objects", List(&Of("EventObject")), "What is there now."),
            has("deleted", List(&Text(0)), "The paths of what is not there any more."),
        ],
        r#"{"objects": [{"uid": "a@example.org", "href": "/dav/calendars/alice/calendar/a.ics", "etag": "\"1-2\""}],
  "deleted": []}"#,
    ),
    row(
        "EventObject",
        "An object of a calendar.",
        &[
            has("uid", Text(0), "Its UID.").or_null(),
            has("href", Text(0), "Its path on CalDAV."),
            has("etag", Text(0), "Its version; null where it must be read to know it.").or_null(),
        ],
        r#"{"uid": "a@example.org", "href": "/dav/calendars/alice/calendar/a.ics", "etag": "\"1-2\""}"#,
    ),
    row(
        "Trashed",
        "Something that was deleted and can be taken back.",
        &[
            has("id", Text(0), "What it is known by."),
            has("kind", One(&["object", "calendar"]), "What it is."),
            has("title", Text(0), "What it is called.").or_null(),
            has("deleted_from", Text(0), "The path that it had on CalDAV."),
            has("deleted_at", Time, "When.").or_null(),
            has("deleted_by", Text(0), "The user name of who did it.").or_null(),
            has("deleted_with", Text(0), "The program that they did it with.").or_null(),
        ],
        r#"{"id": "17", "kind": "object", "title": "Lunch", "deleted_from": "/dav/calendars/alice/calendar/a.ics",
  "deleted_at": "2026-01-31T09:00:00Z", "deleted_by": "alice", "deleted_with": "Thunderbird"}"#,
    ),
    row(
        "Restore",
        "Where something that was deleted goes; without either, to where it was.",
        &[
            may("calendar", Text(255), "The id of another calendar.").or_null(),
            may("name", Text(200), "Another name in the path.").or_null(),
        ],
        r#"{"name": "lunch.ics"}"#,
    ),
    row(
        "Restored",
        "Where something that was deleted is now.",
        &[has("href", Text(0), "Its path on CalDAV."), has("name", Text(0), "Its name in the path.")],
        r#"{"href": "/dav/calendars/alice/calendar/lunch.ics", "name": "lunch.ics"}"#,
    ),
    row(
        "AppPassword",
        "A password for one program.",
        &[
            has("id", Uuid, "What it is known by."),
            has("label", Text(100), "What it is called."),
            has("read_only", Flag, "Whether nothing can be changed by it."),
            has("calendars", List(&Text(0)), "The names of the calendars that it opens; null is all.")
                .or_null(),
            has("expires_at", Time, "When it ends.").or_null(),
            has("created_at", Time, "When it was made.").or_null(),
            has("last_used_at", Time, "When it was last used.").or_null(),
            has("last_used_from", Text(0), "From which address.").or_null(),
        ],
        r#"{"id": "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed", "label": "Phone", "read_only": false,
  "calendars": null, "expires_at": null, "created_at": "2026-01-31T09:00:00Z",
  "last_used_at": null, "last_used_from": null}"#,
    ),
    row(
        "AppPasswordNew",
        "A password to be made for one program.",
        &[
            has("label", Text(100), "What it is called."),
            may("read_only", Flag, "Whether nothing can be changed by it."),
            may(
                "calendars",
                List(&Text(0)),
                "The names or paths of the calendars that it opens; null is all.",
            )
            .or_null(),
            may("expires_at", Time, "When it ends.").or_null(),
        ],
        r#"{"label": "Phone", "read_only": true, "calendars": ["calendar"]}"#,
    ),
    row(
        "AppPasswordMade",
        "A password that was made just now; nobody is told it again.",
        &[
            has("id", Uuid, "What it is known by."),
            has("label", Text(100), "What it is called."),
            has("read_only", Flag, "Whether nothing can be changed by it."),
            has("calendars", List(&Text(0)), "The names of the calendars that it opens; null is all.")
                .or_null(),
            has("expires_at", Time, "When it ends.").or_null(),
            has("created_at", Time, "When it was made.").or_null(),
            has("last_used_at", Time, "When it was last used.").or_null(),
            has("last_used_from", Text(0), "From which address.").or_null(),
            has("username", Text(0), "The user name to type with it."),
            has("secret", Text(0), "The password."),
        ],
        r#"{"id": "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed", "label": "Phone", "read_only": true,
  "calendars": ["calendar"], "expires_at": null, "created_at": "2026-01-31T09:00:00Z",
  "last_used_at": null, "last_used_from": null, "username": "alice",
  "secret": "abcd-efgh-ijkm-npqr-stuv-wxyz-23"}"#,
    ),
    row(
        "AppPasswordPatch",
        "What a password is called from now on.",
        &[has("label", Text(100), "What it is called.")],
        r#"{"label": "Old phone"}"#,
    ),
];

/// A body that is no JSON.
pub struct Media {
    /// The name that routes have for it; where a type is called so, that is what it consists of.
    pub name: &'static str,
    /// Its media type.
    pub kind: &'static str,
    /// What it is, in a sentence.
    pub doc: &'static str,
    /// One, where it can be written down.
    pub example: &'static str,
}

/// The bodies that are no JSON.
pub const MEDIA: &[Media] = &[
    Media { name: "CalendarData", kind: "text/calendar", doc: "Calendar data (RFC 5545).", example: STREAM },
    Media {
        name: "ImportForm",
        kind: "multipart/form-data",
        doc: "A form with a file (RFC 7578).",
        example: "",
    },
    Media { name: "Archive", kind: "application/zip", doc: "A zip archive.", example: "" },
];

const STREAM: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//example.org//1//EN\r\nBEGIN:VEVENT\r\nUID:a@example.org\r\n\
    DTSTAMP:20260101T000000Z\r\nDTSTART:20260301T090000Z\r\nDTEND:20260301T100000Z\r\nSUMMARY:Lunch\r\nEND:VEVENT\r\n\
    END:VCALENDAR\r\n";

/// What stands in the braces of paths.
pub const PARTS: &[(&str, &str)] = &[
    ("id", "The id; of a calendar also the last name in its path."),
    ("share", "The id of a share."),
    ("uid", "The UID of an event."),
    ("entry", "The id of something that was deleted."),
    ("token", "The secret of a link."),
];

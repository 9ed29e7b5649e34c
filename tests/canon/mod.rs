//! The language of the wire transcripts: one scenario a file, requests and the answers they must get.
//!
//! ```text
//! # A stale ETag does not overwrite (RFC 9110 §13.1.1)
//! > alice PUT /dav/calendars/alice/calendar/a.ics
//! If-Match: "stale"
//!
//! @lunch.ics
//! < 412
//! !ETag
//!
//! {*}
//! ```
//!
//! A line that begins with `# ` is a remark. `>` is a request (`-` instead of a user = without identity): header lines, an
//! empty line, a body or `@file` beside the transcript. `<` is the answer: its status, the headers that count (`!Name` =
//! it must not be there), an empty line, the body; no body written = none may come. `{name}` takes what stands there the
//! first time and must be that ever after, also in requests; `{new!old}` must be another value than `old`; `{*}` is anything. `{5*x}` in a request is `xxxxx`.
//! XML is compared for its meaning: prefixes, white space between elements and the order of sets do not count; `{*}` among
//! the elements of a set lets others be there too; D, C, CS and A need no declaration in an expectation.
//! Lines of calendar data end in CRLF where they are a body, and in LF inside XML. Every transcript has users of its own: alice, bob, carol, dave and
//! erin stand for names nobody else uses.

pub mod cast;
pub mod diff;
pub mod http;
pub mod node;
pub mod pattern;
pub mod play;
pub mod transcript;

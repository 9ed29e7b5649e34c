//! The HTTP room: sockets, limits, who is asking, and the shapes of a request and its answer; nothing of WebDAV.

mod conditional;

mod body;
mod client;
mod coding;
mod ending;
mod entitlement;
mod exchange;
mod fastcgi;
mod fetch;
mod forwarded;
mod hygiene;
mod identity;
mod keys;
mod listen;
mod message;
mod monitor;
mod origin;
mod outgoing;
mod range;
mod serve;
mod signature;
mod socket;
mod spelling;
mod text;
mod tls;
mod token;
mod trust;

pub use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode as Status, header};

pub use body::{Body, BodyError};
pub use client::{Answered, Ask, Client, Unanswered, basic};
pub use coding::{Coded, thousandths};
pub use conditional::{BadCondition, Conditions, EntityTag, Verdict, is_tag_of};
pub use entitlement::Entitlements;
pub use fastcgi::{Authorizer, Question, Reply, authorize};
pub use fetch::Remote;
pub use identity::{Denial, Identity, Recognition, group, spell, user_of};
pub use listen::{Door, Listener, open};
pub use message::{Aborted, Feed, Feeder, Gone, Payload, Request, Response, Room, Said, Service};
pub use monitor::{Monitor, monitor};
pub use origin::is_safe;
pub use serve::{Drained, Front, serve};
pub use text::{address, folded};

//! Every setting of kalends: what it is called, what it means, where it is read from and what makes it wrong.

mod check;
mod kind;
mod load;
mod lock;
mod settings;

pub use check::exposure;
pub use kind::{
    Accept, Audience, Collector, HeaderName, Hook, Kind, Level, Listen, LogFormat, Moment, Origin, Page,
    Required, Secret, Shown, Size, Span, Tls, Unpublic, Unreadable,
};
pub use load::{Error, Fault};
pub use settings::{
    Api, Calendar, Cluster, Database, Entitled, Identity, Limits, Log, Monitor, Privacy, Server, Setting,
    Settings, Sharing, Token, Trace, markdown, settings,
};

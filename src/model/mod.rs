//! The nouns of the house: plain values without I/O and without protocol.

pub mod component;
pub mod instance;
pub mod kind;
pub mod lock;
pub mod privilege;
pub mod rank;
pub mod scope;
pub mod token;

pub use component::{Component, Components};
pub use instance::{Busy, Index, Instance};
pub use kind::{Kind, Kinds};
pub use lock::Lock;
pub use privilege::{Privilege, Privileges};
pub use rank::Rank;
pub use scope::Scope;
pub use token::{HomeToken, Part, SyncToken};

//! The XML room: names, a bounded reader that gives a small tree, and a streaming writer; the only room that names
//! `quick_xml`.
//!
//! RFC 4918 §8.2 and §17: bodies are well-formed, namespace-aware XML 1.0, and whoever extends them is skipped over,
//! not refused. What is refused is what no honest client sends: document types, entities of one's own, endless nesting.

mod name;
mod scope;
mod strict;
mod tree;
mod writer;

pub use name::{Name, Ns, QName};
pub use strict::{Fault, Malformed};
pub use tree::{Element, each, parse};
pub use writer::Writer;

//! What people share with each other, and what they are told of it.

pub mod notification;

//! Which Rust types may be bound to a statement, and which PostgreSQL type each goes as.
//!
//! The type on the wire is decided here and not asked of the server, so that statements mean the same whether they are
//! prepared or, behind a PgBouncer, sent with their types each time.

use std::time::SystemTime;

use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

/// The parameters of a statement: `&[&home, &name, &None::<i64>]`.
pub type Params<'a> = &'a [&'a dyn Param];

/// A value that can be bound; every [`Typed`] is one.
pub trait Param: Sync {
    /// What it goes as.
    fn kind(&self) -> Type;
    /// The value, as the driver takes it.
    fn value(&self) -> &(dyn ToSql + Sync);
}

impl<T: Typed> Param for T {
    fn kind(&self) -> Type {
        T::TYPE
    }

    fn value(&self) -> &(dyn ToSql + Sync) {
        self
    }
}

/// A Rust type that always goes as the same PostgreSQL type. `Vec<T>` and `&[T]` of an [`Element`] go as an array.
pub trait Typed: ToSql + Sync {
    /// That type.
    const TYPE: Type;
}

/// A type that there are arrays of.
pub trait Element: Typed {
    /// The array of it.
    const ARRAY: Type;
}

macro_rules! types {
    ($($rust:ty: $one:ident, $many:ident;)+) => {$(
        impl Typed for $rust { const TYPE: Type = Type::$one; }
        impl Element for $rust { const ARRAY: Type = Type::$many; }
    )+};
}

types! {
    bool: BOOL, BOOL_ARRAY;
    i16: INT2, INT2_ARRAY;
    i32: INT4, INT4_ARRAY;
    i64: INT8, INT8_ARRAY;
    f64: FLOAT8, FLOAT8_ARRAY;
    &str: TEXT, TEXT_ARRAY;
    String: TEXT, TEXT_ARRAY;
    &[u8]: BYTEA, BYTEA_ARRAY;
    Vec<u8>: BYTEA, BYTEA_ARRAY;
    Uuid: UUID, UUID_ARRAY;
    SystemTime: TIMESTAMPTZ, TIMESTAMPTZ_ARRAY;
}

impl<T: Typed> Typed for Option<T> {
    const TYPE: Type = T::TYPE;
}
impl<T: Element> Element for Option<T> {
    const ARRAY: Type = T::ARRAY;
}
impl<T: Typed> Typed for &T {
    const TYPE: Type = T::TYPE;
}
impl<T: Element> Element for &T {
    const ARRAY: Type = T::ARRAY;
}
impl<T: Element> Typed for Vec<T> {
    const TYPE: Type = T::ARRAY;
}
impl<T: Element> Typed for &[T] {
    const TYPE: Type = T::ARRAY;
}

//! When a calendar object happens: the rows of the time-range index.

/// How an instance counts in free-busy time (RFC 5545 §3.2.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Busy {
    /// Transparent or cancelled: takes no time.
    Free,
    /// BUSY
    Busy,
    /// BUSY-TENTATIVE
    Tentative,
    /// BUSY-UNAVAILABLE
    Unavailable,
}

impl Busy {
    /// The number the database keeps.
    #[must_use]
    pub const fn code(self) -> i16 {
        match self {
            Self::Free => 0,
            Self::Busy => 1,
            Self::Tentative => 2,
            Self::Unavailable => 3,
        }
    }

    /// The kind of a number the database kept; an unknown one is busy.
    #[must_use]
    pub const fn from_code(code: i16) -> Self {
        match code {
            0 => Self::Free,
            2 => Self::Tentative,
            3 => Self::Unavailable,
            _ => Self::Busy,
        }
    }
}

/// One span of time in which an object happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Instance {
    /// First second, in seconds since 1970-01-01T00:00:00Z; of a floating instance: its local time read as if it were UTC.
    pub starts: i64,
    /// The second after the last one, in the same count; never before `starts`.
    pub ends: i64,
    /// Whether it is in the zone of whoever looks (RFC 5545 §3.3.5, form 1, and all-day events).
    pub floating: bool,
    /// How it counts in free-busy time.
    pub busy: Busy,
}

/// What the time-range index keeps of one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    /// Every instance that starts before `tail`, in the order of their start.
    pub instances: Vec<Instance>,
    /// The first second that `instances` no longer covers, where the recurrence goes on; the object
    /// itself must be asked about what starts from there on.
    pub tail: Option<i64>,
    /// Of an object with a tail: the octets that its times depend on, an object that can be asked in its stead.
    pub pattern: Option<String>,
    /// The horizon at which `instances` end, where a later one would make more of them.
    pub horizon: Option<i64>,
}

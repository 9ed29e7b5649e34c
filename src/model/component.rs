//! The kinds of calendar components, and sets of them (RFC 4791 §5.2.3).

/// A component that a calendar object resource can be made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Component {
    /// RFC 5545 §3.6.1
    Vevent,
    /// RFC 5545 §3.6.2
    Vtodo,
    /// RFC 5545 §3.6.3
    Vjournal,
    /// RFC 5545 §3.6.4
    Vfreebusy,
    /// RFC 7953 §3.1
    Vavailability,
}

impl Component {
    /// Every kind, in the order of their bits.
    pub const ALL: [Self; 5] =
        [Self::Vevent, Self::Vtodo, Self::Vjournal, Self::Vfreebusy, Self::Vavailability];

    /// The name on the wire, in upper case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vevent => "VEVENT",
            Self::Vtodo => "VTODO",
            Self::Vjournal => "VJOURNAL",
            Self::Vfreebusy => "VFREEBUSY",
            Self::Vavailability => "VAVAILABILITY",
        }
    }

    /// The component of that name, in any case of letters.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.name().eq_ignore_ascii_case(name))
    }

    const fn bit(self) -> i16 {
        1 << self as i16
    }
}

/// A set of component kinds, as the database keeps it: one bit a kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Components(i16);

impl Components {
    /// The set whose bits these are; unknown bits are dropped.
    #[must_use]
    pub const fn from_bits(bits: i16) -> Self {
        Self(bits & 0b1_1111)
    }

    /// One bit a kind.
    #[must_use]
    pub const fn bits(self) -> i16 {
        self.0
    }

    /// This set and `component`.
    #[must_use]
    pub const fn with(self, component: Component) -> Self {
        Self(self.0 | component.bit())
    }

    /// Whether `component` is in the set.
    #[must_use]
    pub const fn has(self, component: Component) -> bool {
        self.0 & component.bit() != 0
    }

    /// The kinds of the set.
    pub fn iter(self) -> impl Iterator<Item = Component> {
        Component::ALL.into_iter().filter(move |c| self.has(*c))
    }

    /// Whether no kind is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Component> for Components {
    fn from_iter<I: IntoIterator<Item = Component>>(kinds: I) -> Self {
        kinds.into_iter().fold(Self::default(), Self::with)
    }
}

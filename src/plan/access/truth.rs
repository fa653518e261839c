//! What is so, is not, or may be.

/// Whether something is so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Truth {
    /// It is not.
    No,
    /// That is not known, for this.
    Perhaps(String),
    /// It is.
    Yes,
}

impl Truth {
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (perhaps @ Self::Perhaps(_), _) | (_, perhaps @ Self::Perhaps(_)) => perhaps,
            (Self::Yes, Self::Yes) => Self::Yes,
        }
    }

    pub(super) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Yes, _) | (_, Self::Yes) => Self::Yes,
            (perhaps @ Self::Perhaps(_), _) | (_, perhaps @ Self::Perhaps(_)) => perhaps,
            (Self::No, Self::No) => Self::No,
        }
    }

    pub(super) fn of(is_so: bool) -> Self {
        if is_so { Self::Yes } else { Self::No }
    }
}

use serde::{Deserialize, Serialize};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $inner:ty) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl $name {
            /// The one after.
            #[must_use]
            pub fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(
    /// Of an agent's desired state, and of each assignment in it. Only rises;
    /// an agent never goes back to a lower one. 0 is before the first.
    Generation, u64
);
number!(
    /// How often an assignment of the same digest was asked for, from 1.
    /// Only an operator raises it.
    Attempt, u32
);
number!(
    /// Rises with every commit to the store.
    Revision, u64
);
number!(
    /// A workload's pins, counted from 1.
    PinNumber, u64
);
number!(
    /// Of one live stream of an agent; a newer one fences the older.
    SessionEpoch, u64
);

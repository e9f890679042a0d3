//! The checks that must pass before the next step.

//! The real engine, through bollard.

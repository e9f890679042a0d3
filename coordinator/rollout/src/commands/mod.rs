//! What people and pipelines ask for.

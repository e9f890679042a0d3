//! The agent's driver on real engines, judged by what the engine itself answers.

mod api;
mod calls;
mod inspect_diff;
mod podman;
mod probes;
mod pull;
mod quirks;
mod recreate;

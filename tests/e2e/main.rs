//! The whole product on real engines, registries and networks. A file an idea; every test has a
//! world of its own.

mod bad_image;
mod bad_input;
mod compose;
mod compose_project;
mod credentials;
mod ecr;
mod enroll;
mod groups;
mod grpcurl;
mod harness_itself;
mod images;
mod in_use;
mod kill;
mod main_path;
mod metric_gate;
mod offline;
mod podman;
mod prefetch;
mod probes;
mod pulls;
mod self_update;
mod start_first;
mod support;

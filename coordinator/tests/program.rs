//! The program itself: its arguments, its first start, its end, and what it
//! says when it cannot start.

#[path = "program/arguments.rs"]
mod arguments;
#[path = "program/disk.rs"]
mod disk;
#[path = "program/life.rs"]
mod life;
#[path = "program/support.rs"]
mod support;

//! The engine against a fake fleet: scenarios, properties, commands.

mod approval;
mod baseline;
mod bed;
mod budgets;
mod catch_up;
mod commands;
mod enrollment;
mod events;
mod gates;
mod history;
mod holds;
mod limits;
mod machine;
mod metric;
mod nobody;
mod offline;
mod properties;
mod regression;
mod restore;
mod rollback;
mod scenarios;
mod sessions;
mod steering;
mod windows;
mod workloads;

//! `pinion agent`.

use std::time::Duration;

use clap::{Args, Subcommand};
use pinion_model::{AgentId, WorkloadName, parse_duration};

use super::values::{Label, label, label_change};

pub(super) const EXAMPLES: &str = "\
Examples:
  pinion agent list
  pinion agent show tenant-3
  pinion agent hold tenant-3 --reason 'customer demo' --for 2h";

/// The machines.
#[derive(Debug, Subcommand)]
pub(crate) enum AgentCommand {
    /// Every machine, or those with a label
    #[command(after_help = "\
Examples:
  pinion agent list
  pinion agent list --select region=ord --select tier=free")]
    List {
        /// Only machines with this label; repeated, all must match
        #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
        select: Vec<Label>,
    },
    /// One machine: what it must run, and what it runs
    #[command(after_help = "\
Examples:
  pinion agent show tenant-3")]
    Show {
        /// Name of the machine
        agent: AgentId,
    },
    /// A line for each change of a machine, until interrupted
    #[command(after_help = "\
Examples:
  pinion agent watch
  pinion agent watch --select region=ord --output json")]
    Watch {
        /// Only machines with this label; repeated, all must match
        #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
        select: Vec<Label>,
    },
    /// Set labels, or remove them with a dash
    #[command(after_help = "\
Examples:
  pinion agent label tenant-3 region=ord tier=free
  pinion agent label tenant-3 tier-")]
    Label(LabelArgs),
    /// Let rollouts go round a machine
    #[command(after_help = "\
Examples:
  pinion agent hold tenant-3 --reason 'customer demo' --for 2h
  pinion agent hold tenant-3 --reason 'disk is failing'")]
    Hold(HoldArgs),
    /// Let rollouts touch a held machine again
    #[command(after_help = "\
Examples:
  pinion agent release tenant-3 --reason 'demo is over'")]
    Release(Reasoned),
    /// Converge machines to the stable digests now, and wait for it
    #[command(after_help = "\
Examples:
  pinion agent refresh tenant-3
  pinion agent refresh tenant-3 tenant-4 --workload codex --reason 'drifted'")]
    Refresh(RefreshArgs),
    /// Refuse a machine's certificate from now on
    #[command(after_help = "\
Examples:
  pinion agent revoke tenant-3 --reason 'disk was stolen' --yes")]
    Revoke(Reasoned),
    /// Revoke and forget a machine; its name is free again
    #[command(after_help = "\
Examples:
  pinion agent remove tenant-3 --reason 'tenant left' --yes")]
    Remove(Reasoned),
}

/// A machine, and why.
#[derive(Debug, Args)]
pub(crate) struct Reasoned {
    /// Name of the machine
    pub(crate) agent: AgentId,
    /// Why, for the audit log
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) reason: String,
}

/// A change of labels.
#[derive(Debug, Args)]
pub(crate) struct LabelArgs {
    /// Name of the machine
    pub(crate) agent: AgentId,
    /// key=value sets a label, key- removes it; others stay
    #[arg(required = true, value_name = "KEY=VALUE|KEY-", value_parser = label_change)]
    pub(crate) labels: Vec<Label>,
}

/// A hold.
#[derive(Debug, Args)]
pub(crate) struct HoldArgs {
    /// Name of the machine
    pub(crate) agent: AgentId,
    /// Why; shown wherever a rollout goes round the machine
    #[arg(long)]
    pub(crate) reason: String,
    /// For how long [default: until released]
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) duration: Option<Duration>,
}

/// A refresh.
#[derive(Debug, Args)]
pub(crate) struct RefreshArgs {
    /// Names of the machines
    #[arg(required = true)]
    pub(crate) agents: Vec<AgentId>,
    /// Only this workload; may be repeated [default: every one with a stable digest]
    #[arg(long = "workload", value_name = "NAME")]
    pub(crate) workloads: Vec<WorkloadName>,
    /// Why, for the audit log
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) reason: String,
}

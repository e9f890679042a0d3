//! `pinion hold`.

use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use pinion_model::{AgentId, ParseError, WorkloadName, parse_duration};

use super::values::{Label, label};

pub(super) const EXAMPLES: &str = "\
Examples:
  pinion hold list
  pinion hold place --select region=eu --reason 'the uplink is being moved' --for 4h
  pinion hold lift hold-3

`pinion agent hold` and `pinion agent release` are the same for one machine.";

/// What rollouts go round.
#[derive(Debug, Subcommand)]
pub(crate) enum HoldCommand {
    /// What is held: by labels, by workload, and machine by machine
    #[command(
        visible_alias = "ls",
        after_help = "\
Examples:
  pinion hold list
  pinion hold list --output json"
    )]
    List,
    /// Let rollouts go round machines, a workload, or everything
    #[command(after_help = "\
Examples:
  pinion hold place --select region=eu --reason 'the uplink is being moved' --for 4h
  pinion hold place --workload codex --reason 'the vendor looks at it'
  pinion hold place --workload codex --select tier=free --reason 'they go last'
  pinion hold place --agent tenant-3 --reason 'customer demo' --for 2h
  pinion hold place --all --reason 'incident 4711'

What is in flight goes on. Machines that join later are held too, if they have the labels.")]
    Place(PlaceArgs),
    /// End a hold; what it kept is caught up with
    #[command(after_help = "\
Examples:
  pinion hold lift hold-3 --reason 'the uplink is back'
  pinion hold lift --agent tenant-3")]
    Lift(LiftArgs),
}

/// What is held, and why.
#[derive(Debug, Args)]
#[command(group = held())]
pub(crate) struct PlaceArgs {
    /// Machines with this label; repeated, all must match
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    pub(crate) select: Vec<Label>,
    /// This workload alone [default: every one]
    #[arg(long, value_name = "NAME")]
    pub(crate) workload: Option<WorkloadName>,
    /// One machine, with all that it runs
    #[arg(long, value_name = "NAME", conflicts_with_all = ["select", "workload", "all"])]
    pub(crate) agent: Option<AgentId>,
    /// Every workload on every machine
    #[arg(long, conflicts_with_all = ["select", "workload"])]
    pub(crate) all: bool,
    /// Why; shown wherever a rollout goes round
    #[arg(long)]
    pub(crate) reason: String,
    /// For how long [default: until lifted]
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) duration: Option<Duration>,
}

/// What is held is said, also if it is everything.
fn held() -> ArgGroup {
    ArgGroup::new("held")
        .args(["select", "workload", "agent", "all"])
        .required(true)
        .multiple(true)
}

/// Which hold, and why.
#[derive(Debug, Args)]
pub(crate) struct LiftArgs {
    /// Id of the hold, from `pinion hold list`
    #[arg(value_parser = hold_id, required_unless_present = "agent")]
    pub(crate) hold: Option<String>,
    /// The hold of this machine
    #[arg(long, value_name = "NAME", conflicts_with = "hold")]
    pub(crate) agent: Option<AgentId>,
    /// Why, for the audit log
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) reason: String,
}

/// Reads `hold-3`.
fn hold_id(text: &str) -> Result<String, ParseError> {
    let number = text.strip_prefix("hold-").map(str::parse::<u64>);
    match number {
        Some(Ok(_)) => Ok(text.to_owned()),
        _ => Err(ParseError::new(
            "a hold's id",
            "such as \"hold-3\", from `pinion hold list`; that of one machine is lifted with --agent NAME",
            text,
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Only {
        #[command(subcommand)]
        command: HoldCommand,
    }

    fn parses(args: &str) -> bool {
        Only::try_parse_from(format!("x {args}").split(' ')).is_ok()
    }

    #[test]
    fn a_hold_of_everything_is_asked_for_in_so_many_words() {
        assert!(!parses("place --reason incident"));
        assert!(parses("place --all --reason incident"));
        assert!(parses(
            "place --workload codex --select a=b --reason incident"
        ));
        for more in ["--workload codex", "--select a=b", "--agent t1"] {
            assert!(!parses(&format!("place --all {more} --reason incident")));
        }
    }

    #[test]
    fn one_machine_is_held_with_all_that_it_runs() {
        assert!(parses("place --agent t1 --reason demo --for 2h"));
        for more in ["--workload codex", "--select a=b"] {
            assert!(!parses(&format!("place --agent t1 {more} --reason demo")));
        }
    }

    #[test]
    fn a_hold_needs_a_reason_and_its_end_does_not() {
        assert!(!parses("place --all"));
        assert!(parses("lift hold-3"));
    }

    #[test]
    fn a_hold_is_lifted_by_its_id_or_the_name_of_its_machine() {
        assert!(parses("lift --agent hold-3"));
        for wrong in ["lift", "lift t1", "lift hold-", "lift hold-3 --agent t1"] {
            assert!(!parses(wrong), "{wrong}");
        }
        let error = hold_id("t1").expect_err("no id").to_string();
        assert!(error.contains("--agent NAME"), "{error}");
    }
}

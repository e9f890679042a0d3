//! `pinion rollout`.

use clap::{Args, Subcommand};
use pinion_model::{AgentId, RolloutId, StageName, WorkloadName};

use super::StrategyArgs;
use super::values::{Label, label};

pub(super) const EXAMPLES: &str = "\
Examples:
  pinion rollout plan codex
  pinion rollout start codex --reason 'login fix' --watch
  pinion rollout explain codex-7-1

Exit codes of watch and start --watch: 0 completed; 3 halted or rolled back;
1 aborted, superseded or failed.";

/// Taking a pin to the machines, stage by stage.
#[derive(Debug, Subcommand)]
pub(crate) enum RolloutCommand {
    /// Say stage by stage what a start would do now; changes nothing
    #[command(after_help = "\
Examples:
  pinion rollout plan codex
  pinion rollout plan codex --pin 6 --stage canary:1 --stage 50% --stage rest
  pinion rollout plan codex --select region=ord --max-in-flight 10%")]
    Plan(Target),
    /// Start a rollout of the workload's pin
    #[command(after_help = "\
Examples:
  pinion rollout start codex --reason 'login fix' --watch
  pinion rollout start codex --stage 1 --stage 50% --stage rest --manual
  pinion rollout start codex --stage tier=internal --stage rest --soak 2m \\
    --failure-budget 1 --on-failure rollback
  pinion rollout start codex --pin 6 --strategy careful --offline skip \\
    --min-healthy 20s --healthy-deadline 3m --progress-deadline 10m \\
    --start-within 5m --max-in-flight 2")]
    Start(StartArgs),
    /// Show a rollout's progress until it ends or halts
    #[command(after_help = "\
Examples:
  pinion rollout watch codex-7-1
  pinion rollout watch codex-7-1 --until-settled
  pinion rollout watch codex-7-1 --output json

On a terminal with bars, else a line for each change. While it is paused or
waits for an approval, it goes on watching and says what it waits for.
Exit codes: 0 completed; 3 halted or rolled back; 1 aborted, superseded or failed.")]
    Watch(WatchArgs),
    /// Rollouts, newest first
    #[command(after_help = "\
Examples:
  pinion rollout list
  pinion rollout list codex --limit 5")]
    List {
        /// Only of this workload
        workload: Option<WorkloadName>,
        /// How many to show
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
    },
    /// One rollout: its stages, and the machines that failed
    #[command(after_help = "\
Examples:
  pinion rollout show codex-7-1
  pinion rollout show codex-7-1 --output json")]
    Show {
        /// Id of the rollout
        rollout: RolloutId,
        /// Every machine, not only those that failed
        #[arg(long)]
        agents: bool,
    },
    /// Why each machine that is not done is not done
    #[command(after_help = "\
Examples:
  pinion rollout explain codex-7-1
  pinion rollout explain codex-7-1 --agent tenant-3")]
    Explain {
        /// Id of the rollout
        rollout: RolloutId,
        /// Only this machine
        #[arg(long, value_name = "NAME")]
        agent: Option<AgentId>,
    },
    /// Let the stage that waits for an approval begin
    #[command(after_help = "\
Examples:
  pinion rollout approve codex-7-1 --plan 1f0c2a4b5d6e7f809a1b
  pinion rollout approve codex-7-1 --plan 1f0c2a4b5d6e7f809a1b --reason 'looks good'

The plan is what `pinion rollout show` has beside the stage: it is approved,
and nothing that becomes of it later.")]
    Approve {
        #[command(flatten)]
        change: Change,
        /// Name of the stage [default: the one that waits]
        #[arg(long)]
        stage: Option<StageName>,
        /// The plan that was shown
        #[arg(long, value_name = "HASH")]
        plan: String,
    },
    /// Assign nothing more, and withdraw what has not cut over
    #[command(after_help = "\
Examples:
  pinion rollout pause codex-7-1 --reason 'looking at the latency'

One that takes its machines back can be paused, too: no more of them are sent,
and those on their way arrive.")]
    Pause(Change),
    /// Go on after a pause or a halt
    #[command(after_help = "\
Examples:
  pinion rollout resume codex-7-1 --reason 'latency was elsewhere'

After a halt, the failures known now do not halt it again; new ones do. One that
was taking its machines back goes on with that.")]
    Resume(Change),
    /// End it: what is done stays done, or is reverted
    #[command(after_help = "\
Examples:
  pinion rollout abort codex-7-1 --reason 'wrong pin' --yes
  pinion rollout abort codex-7-1 --revert --reason 'not today' --yes

The pins stay as they are in both cases; `pinion rollout rollback` goes back to
the pin before, too.")]
    Abort {
        #[command(flatten)]
        change: Change,
        /// Take every machine that it changed back to what it ran before
        #[arg(long)]
        revert: bool,
    },
    /// Take every machine that it changed back to what it ran before
    #[command(after_help = "\
Examples:
  pinion rollout rollback codex-7-1 --reason 'logins fail' --yes

It halts where the old image fails on a machine, too: look at that machine, then
`pinion rollout retry` sends it once more, and `pinion rollout resume` goes on.")]
    Rollback(Change),
    /// Touch machines outside their maintenance windows and in freezes
    #[command(after_help = "\
Examples:
  pinion rollout override-windows codex-7-1 --reason 'the hole is exploited' --yes

From now on its windows and freezes do not count; there is no way back. Those of
other rollouts do.")]
    OverrideWindows {
        /// Id of the rollout
        rollout: RolloutId,
        /// Why; for the audit log
        #[arg(long)]
        reason: String,
    },
    /// Ask machines that failed to try the same digest once more
    #[command(after_help = "\
Examples:
  pinion rollout retry codex-7-1
  pinion rollout retry codex-7-1 --agent tenant-3 --agent tenant-4 --reason 'disk was full'")]
    Retry {
        #[command(flatten)]
        change: Change,
        /// Only this machine; may be repeated [default: every one that failed]
        #[arg(long = "agent", value_name = "NAME")]
        agents: Vec<AgentId>,
    },
}

/// What is rolled out, to whom and how.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// Name of the workload
    pub(crate) workload: WorkloadName,
    /// Number of the pin [default: the current one]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) pin: Option<u64>,
    /// Only machines with this label; repeated, all must match
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    pub(crate) select: Vec<Label>,
    #[command(flatten)]
    pub(crate) strategy: StrategyArgs,
}

/// A start.
#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Why, for the audit log
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) reason: String,
    /// Show its progress until it ends or halts
    #[arg(long)]
    pub(crate) watch: bool,
    /// With --watch: after a halt, go on until no machine is in flight
    #[arg(long, requires = "watch")]
    pub(crate) until_settled: bool,
}

/// What to watch, and for how long.
#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// Id of the rollout
    pub(crate) rollout: RolloutId,
    /// After a halt, go on until no machine is in flight
    #[arg(long)]
    pub(crate) until_settled: bool,
}

/// A change to a rollout.
#[derive(Debug, Args)]
pub(crate) struct Change {
    /// Id of the rollout
    pub(crate) rollout: RolloutId,
    /// Why, for the audit log
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) reason: String,
}

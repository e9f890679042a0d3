//! `pinion pin`.

use clap::{Args, Subcommand};
use pinion_model::{Digest, SourceSha, WorkloadName};

pub(super) const EXAMPLES: &str = "\
Examples:
  pinion pin list
  pinion pin history codex --limit 5";

/// The digest chosen for each workload.
#[derive(Debug, Subcommand)]
pub(crate) enum PinCommand {
    /// Make a digest the workload's pin
    #[command(after_help = "\
Examples:
  pinion pin promote codex \\
    sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945 \\
    --sha 3f8a1c9d5b7e2046a8c1d3e5f70912b4c6d8eaf0
  pinion pin promote codex \\
    sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945 \\
    --sha 3f8a1c9d5b7e2046a8c1d3e5f70912b4c6d8eaf0 --notes 'fixes the login'")]
    Promote(PromoteArgs),
    /// The current pin of every workload
    #[command(after_help = "\
Examples:
  pinion pin list
  pinion pin list --output json")]
    List,
    /// The current and the stable pin of one workload
    #[command(after_help = "\
Examples:
  pinion pin show codex")]
    Show {
        /// Name of the workload
        workload: WorkloadName,
    },
    /// Every pin that a workload had, newest first
    #[command(after_help = "\
Examples:
  pinion pin history codex
  pinion pin history codex --limit 5")]
    History {
        /// Name of the workload
        workload: WorkloadName,
        /// How many to show
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
    },
}

/// What is promoted.
#[derive(Debug, Args)]
pub(crate) struct PromoteArgs {
    /// Name of the workload
    pub(crate) workload: WorkloadName,
    /// Digest of the image: sha256: and 64 hex digits
    pub(crate) digest: Digest,
    /// Commit that the image was built from: the full 40 or 64 hex digits
    #[arg(long, value_name = "SHA")]
    pub(crate) sha: SourceSha,
    /// What is in it, for people
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) notes: String,
}

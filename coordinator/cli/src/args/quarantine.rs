//! `pinion quarantine`.

use clap::{Args, Subcommand};
use pinion_model::{Digest, WorkloadName};

pub(super) const EXAMPLES: &str = "\
Examples:
  pinion quarantine list
  pinion quarantine add codex \\
    sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945 \\
    --reason 'it eats data'

A digest whose image failed on as many machines as the strategy's quarantine_after
says is quarantined by itself.";

/// Digests that no more machines get.
#[derive(Debug, Subcommand)]
pub(crate) enum QuarantineCommand {
    /// Digests that are quarantined: since when, why, and where they failed
    #[command(
        visible_alias = "ls",
        after_help = "\
Examples:
  pinion quarantine list
  pinion quarantine list codex --output json"
    )]
    List {
        /// Only of this workload
        workload: Option<WorkloadName>,
    },
    /// Keep a digest from every machine that does not run it; its rollout halts
    #[command(after_help = "\
Examples:
  pinion quarantine add codex \\
    sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945 \\
    --reason 'it eats data'

Machines that run it keep it: `pinion rollout rollback` takes them back.")]
    Add(QuarantineArgs),
    /// Let a digest go to machines again
    #[command(after_help = "\
Examples:
  pinion quarantine lift \\
    sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945 \\
    --reason 'the registry was down, not the image'

A rollout that it halted goes on once it is resumed.")]
    Lift {
        /// The digest, from `pinion quarantine list`
        digest: Digest,
        /// Why; for the audit log
        #[arg(long)]
        reason: String,
    },
}

/// What is quarantined, and why.
#[derive(Debug, Args)]
pub(crate) struct QuarantineArgs {
    /// Name of the workload whose image it is
    pub(crate) workload: WorkloadName,
    /// The digest; it need not be a pin
    pub(crate) digest: Digest,
    /// Why; shown wherever the digest is refused
    #[arg(long)]
    pub(crate) reason: String,
}

//! `pinion audit`.

use clap::{Args, Subcommand};

pub(super) const EXAMPLES: &str = "\
Examples:
  pinion audit list --limit 50
  pinion audit list --refused";

/// Who changed what, and who was refused.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// What was done, newest first; with --follow as it happens
    #[command(after_help = "\
Examples:
  pinion audit list --limit 50
  pinion audit list --refused
  pinion audit list --follow --output json")]
    List(AuditListArgs),
}

/// What to list.
#[derive(Debug, Args)]
pub(crate) struct AuditListArgs {
    /// Only calls that were refused
    #[arg(long)]
    pub(crate) refused: bool,
    /// Then show each entry as it is made, until interrupted
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// How many to show
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) limit: u32,
}

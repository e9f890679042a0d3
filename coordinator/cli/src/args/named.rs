//! `pinion strategy`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use pinion_model::StrategyName;

pub(super) const EXAMPLES: &str = "\
Examples:
  pinion strategy ls
  pinion strategy show careful
  pinion strategy put careful -f careful.toml --reason 'soak longer'";

/// How rollouts go, kept under a name.
#[derive(Debug, Subcommand)]
pub(crate) enum StrategyCommand {
    /// Every name with its newest version; with a name, every version of it
    #[command(
        visible_alias = "list",
        after_help = "\
Examples:
  pinion strategy ls
  pinion strategy ls careful
  pinion strategy ls --removed --output json"
    )]
    Ls(StrategyListArgs),
    /// One version, as TOML that can be put again
    #[command(after_help = "\
Examples:
  pinion strategy show careful
  pinion strategy show careful --version 2")]
    Show {
        /// Name of the strategy
        name: StrategyName,
        /// Which version [default: the newest]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        version: Option<u32>,
    },
    /// Make the next version of a name; rollouts keep the version that they began with
    #[command(after_help = "\
Examples:
  pinion strategy put careful -f careful.toml --reason 'soak longer'
  pinion strategy put careful -f - --reason 'soak longer'

The file holds [strategy.NAME] as the coordinator's configuration does, or
nothing but the keys of one strategy. Every fault in it is listed.")]
    Put(PutArgs),
    /// Take a name out of use; its versions can still be read
    #[command(
        visible_alias = "remove",
        after_help = "\
Examples:
  pinion strategy rm careful --reason 'nobody uses it' --yes"
    )]
    Rm {
        /// Name of the strategy
        name: StrategyName,
        /// Why, for the audit log
        #[arg(long, default_value = "", hide_default_value = true)]
        reason: String,
    },
}

/// What is listed.
#[derive(Debug, Args)]
pub(crate) struct StrategyListArgs {
    /// Name whose versions are listed, newest first [default: every name]
    pub(crate) name: Option<StrategyName>,
    /// Those that were removed too
    #[arg(long, conflicts_with = "name")]
    pub(crate) removed: bool,
    /// How many to show
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) limit: u32,
}

/// What is put, and where it is read.
#[derive(Debug, Args)]
pub(crate) struct PutArgs {
    /// Name of the strategy
    pub(crate) name: StrategyName,
    /// The TOML to read; - is standard input
    #[arg(long, short)]
    pub(crate) file: PathBuf,
    /// Why, for those who read the versions
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) reason: String,
}

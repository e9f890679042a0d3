//! `pinion profile`.

use clap::Subcommand;

pub(super) const EXAMPLES: &str = "\
Examples:
  pinion profile set prod --endpoint https://pinion.example:7444 \\
    --ca ca.pem --cert me.pem --key me.key
  pinion profile use prod
  pinion profile list";

/// Coordinators that this command knows.
#[derive(Debug, Subcommand)]
pub(crate) enum ProfileCommand {
    /// Write a profile from the connection options that are given
    #[command(after_help = "\
Examples:
  pinion profile set prod --endpoint https://pinion.example:7444 \\
    --ca ca.pem --cert me.pem --key me.key
  pinion profile set ci --endpoint https://pinion.example:7444 \\
    --ca ca.pem --token-file /run/secrets/pinion

What is not given stays as it was. A first profile becomes the default.")]
    Set {
        /// Name of the profile
        name: String,
    },
    /// The profiles
    #[command(after_help = "\
Examples:
  pinion profile list")]
    List,
    /// Take this profile when none is named
    #[command(after_help = "\
Examples:
  pinion profile use prod")]
    Use {
        /// Name of the profile
        name: String,
    },
    /// One profile
    #[command(after_help = "\
Examples:
  pinion profile show
  pinion profile show prod")]
    Show {
        /// Name of the profile [default: the one that would be taken]
        name: Option<String>,
    },
}

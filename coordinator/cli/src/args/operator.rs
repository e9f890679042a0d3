//! `pinion operator`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use pinion_model::OperatorName;

use super::RoleArg;
use super::values::lifetime;

pub(super) const EXAMPLES: &str = "\
Examples:
  pinion operator create alice --role operator --out certs
  pinion operator list
  pinion operator revoke alice --reason 'left the team' --yes";

/// People's certificates.
#[derive(Debug, Subcommand)]
pub(crate) enum OperatorCommand {
    /// Make a key here, and have the coordinator certify it
    #[command(after_help = "\
Examples:
  pinion operator create alice --role operator --out certs
  pinion operator create bob --role viewer --ttl 30d \\
    --out /home/bob/.config/pinion

Writes NAME.key (readable by its owner alone), NAME.pem and ca.pem into the
directory, and prints the line that makes a profile of them. The key never
leaves this machine.")]
    Create(OperatorCreateArgs),
    /// Operators, and when their certificates end
    #[command(after_help = "\
Examples:
  pinion operator list")]
    List,
    /// Refuse an operator's certificates from now on
    #[command(after_help = "\
Examples:
  pinion operator revoke alice --reason 'laptop lost' --yes")]
    Revoke {
        /// Name of the operator
        name: OperatorName,
        /// Why, for the audit log
        #[arg(long, default_value = "", hide_default_value = true)]
        reason: String,
    },
}

/// The new operator.
#[derive(Debug, Args)]
pub(crate) struct OperatorCreateArgs {
    /// Name of the operator
    pub(crate) name: OperatorName,
    /// What the operator may do
    #[arg(long, value_enum)]
    pub(crate) role: RoleArg,
    /// How long the certificate is good [default: 90 days; at most 365]
    #[arg(long, value_name = "DURATION", value_parser = lifetime)]
    pub(crate) ttl: Option<Duration>,
    /// Directory for the key and the certificates; made if it is not there
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

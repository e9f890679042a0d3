//! `pinion token`.

use std::time::Duration;

use super::RoleArg;
use super::values::{Label, label, lifetime};
use clap::{Args, Subcommand, ValueEnum};

pub(super) const EXAMPLES: &str = "\
Examples:
  pinion token create --kind enrollment --name tenant-3
  pinion token create --kind api --role promoter --name ci
  pinion token list";

/// Enrolment tokens for machines, API tokens for pipelines.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token; its secret is shown once, alone on standard output
    #[command(after_help = "\
Examples:
  pinion token create --kind enrollment --name tenant-3 --label region=ord --ttl 30m
  pinion token create --kind enrollment --label pool=asg --max-uses 20 --ttl 24h
  pinion token create --kind api --role promoter --name ci --ttl 90d")]
    Create(TokenCreateArgs),
    /// Tokens, without their secrets
    #[command(after_help = "\
Examples:
  pinion token list
  pinion token list --kind api")]
    List {
        /// Only of this kind
        #[arg(long, value_enum)]
        kind: Option<Kind>,
    },
    /// Refuse a token from now on
    #[command(after_help = "\
Examples:
  pinion token revoke tok-4f53 --reason 'was in a log' --yes")]
    Revoke {
        /// Id of the token, from `pinion token list`
        id: String,
        /// Why, for the audit log
        #[arg(long, default_value = "", hide_default_value = true)]
        reason: String,
    },
}

/// What the new token is for.
#[derive(Debug, Args)]
pub(crate) struct TokenCreateArgs {
    /// What it is for
    #[arg(long, value_enum, default_value_t)]
    pub(crate) kind: Kind,
    /// API: what its holder may do
    #[arg(long, value_enum)]
    pub(crate) role: Option<RoleArg>,
    /// Enrolment: name of the machine [default: its host name]. API: name of the holder
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Enrolment: label that the machine gets; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    pub(crate) labels: Vec<Label>,
    /// Enrolment: how many machines may use it [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_uses: Option<u32>,
    /// How long it is good: enrolment 1h unless said, at most 24h; API for ever unless said
    #[arg(long, value_name = "DURATION", value_parser = lifetime)]
    pub(crate) ttl: Option<Duration>,
}

/// What a token is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Redeemed once by `pinion-agent enroll`
    #[default]
    Enrollment,
    /// A bearer token for HTTP and this command
    Api,
}

impl TokenCreateArgs {
    /// What contradicts itself, in words.
    pub(crate) fn contradiction(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Api if self.role.is_none() => {
                Some("an API token needs --role viewer, promoter, operator or admin")
            }
            Kind::Api if self.name.is_none() => {
                Some("an API token needs --name: who holds it, for the audit log")
            }
            Kind::Api if !self.labels.is_empty() || self.max_uses.is_some() => {
                Some("--label and --max-uses are for enrolment tokens; an API token has neither")
            }
            Kind::Enrollment if self.role.is_some() => {
                Some("--role is for API tokens (--kind api); a machine that enrols is an agent")
            }
            Kind::Enrollment
                if self.name.is_some() && self.max_uses.is_some_and(|uses| uses > 1) =>
            {
                Some(
                    "--name is one machine's and --max-uses is more: leave --name out, and each takes its host name",
                )
            }
            _ => None,
        }
    }
}

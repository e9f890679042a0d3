use std::path::PathBuf;

use super::UsageError;
use crate::config::Config;

#[derive(Debug, clap::Args)]
pub(super) struct CheckArgs {
    /// The file to check; without it, the built-in catalog.
    #[arg(long, env = "PINION_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Replaces the default registry's prefix.
    #[arg(long, env = "MOLECULE_IMAGE_REGISTRY", value_name = "PREFIX")]
    image_registry: Option<String>,
}

impl CheckArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let prefix = self
            .image_registry
            .as_deref()
            .filter(|prefix| !prefix.is_empty());
        let config = Config::load(self.config.as_deref(), prefix).map_err(UsageError::from)?;
        println!("default registry: {}", config.default_registry);
        for (name, prefix) in &config.registries {
            println!("registry {name}: {prefix}");
        }
        for (name, workload) in &config.workloads {
            let images: Vec<_> = workload
                .images
                .iter()
                .map(|image| image.repository.to_string())
                .collect();
            let rollout = if workload.auto { "auto" } else { "manual" };
            println!(
                "workload {name}: {} (rollout {rollout}, strategy {}, local tag {})",
                images.join(", "),
                workload.strategy,
                workload.local_tag
            );
        }
        for name in config.strategies.keys() {
            println!("strategy {name}");
        }
        println!("the configuration is good");
        Ok(())
    }
}

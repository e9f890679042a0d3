use std::collections::BTreeMap;

use pinion_model::{Image, RegistryName, Repository, StrategyName, WorkloadName};
use pinion_rollout::Strategy;
use pinion_strategy::{Section, nearest};
use toml::Table;

use super::{ConfigError, Workload};

/// What overrides the default registry's prefix.
const OVERRIDE: &str = "MOLECULE_IMAGE_REGISTRY";
const LOCAL_TAG: &str = "current";

type Registries = BTreeMap<RegistryName, String>;

/// Reads `default_registry` and `[registry.*]`.
pub(super) fn registries(
    file: &str,
    root: &Section<'_>,
    registry_prefix: Option<&str>,
) -> Result<(RegistryName, Registries), ConfigError> {
    let table = root.required(
        "registry",
        root.table("registry")?,
        "a table for each registry, such as [registry.ghcr]",
    )?;
    let section = Section::open(file, "registry", table);
    let mut registries = Registries::new();
    for (key, table) in section.children()? {
        let name = section.parse(key, key)?;
        let section = Section::new(file, section.below(key), table, &["prefix"])?;
        let what = "a host with or without a path, such as \"ghcr.io/molecule-ai\"";
        let prefix = section.required("prefix", section.text("prefix")?, what)?;
        check_prefix(prefix).map_err(|message| section.error("prefix", message))?;
        registries.insert(name, prefix.to_owned());
    }
    let default: RegistryName = match (root.parsed("default_registry")?, registries.len()) {
        (Some(name), _) => name,
        (None, 1) => registries.keys().next().cloned().expect("there is one"),
        (None, _) => root.required("default_registry", None, &one_of(registries.keys()))?,
    };
    if !registries.contains_key(&default) {
        let message = format!(
            "must be {}; got {:?}",
            one_of(registries.keys()),
            default.as_str()
        );
        return Err(root.error("default_registry", message));
    }
    if let Some(prefix) = registry_prefix {
        check_prefix(prefix).map_err(|message| ConfigError::Key {
            file: "the environment".to_owned(),
            key: OVERRIDE.to_owned(),
            message,
        })?;
        registries.insert(default.clone(), prefix.to_owned());
    }
    Ok((default, registries))
}

/// A host, with or without a port and a path, as the start of a repository.
fn check_prefix(prefix: &str) -> Result<(), String> {
    match format!("{prefix}/x").parse::<Repository>() {
        Ok(_) => Ok(()),
        Err(_) => Err(format!(
            "must be host[:port][/path] in lower case, without a scheme or a slash at its end; got {prefix:?}"
        )),
    }
}

/// Reads `[workload.*]`.
pub(super) fn workloads(
    file: &str,
    root: &Section<'_>,
    default_registry: &RegistryName,
    registries: &Registries,
    strategies: &BTreeMap<StrategyName, Strategy>,
) -> Result<BTreeMap<WorkloadName, Workload>, ConfigError> {
    let what = "a table for each workload, such as [workload.codex]";
    let table = root.required("workload", root.table("workload")?, what)?;
    let section = Section::open(file, "workload", table);
    let mut workloads = BTreeMap::new();
    let mut owners: BTreeMap<Repository, WorkloadName> = BTreeMap::new();
    for (key, table) in section.children()? {
        let name: WorkloadName = section.parse(key, key)?;
        let path = section.below(key);
        let workload = workload(file, path, table, default_registry, registries, strategies)?;
        for image in &workload.images {
            if let Some(owner) = owners.insert(image.repository.clone(), name.clone()) {
                let message = format!(
                    "{} is an image of {owner} too; a container must belong to one workload",
                    image.repository
                );
                return Err(section.error(&format!("{key}.images"), message));
            }
        }
        workloads.insert(name, workload);
    }
    Ok(workloads)
}

fn workload(
    file: &str,
    path: String,
    table: &Table,
    default_registry: &RegistryName,
    registries: &Registries,
    strategies: &BTreeMap<StrategyName, Strategy>,
) -> Result<Workload, ConfigError> {
    let section = Section::new(
        file,
        path,
        table,
        &["images", "rollout", "strategy", "local_tag"],
    )?;
    let default_strategy = || "default".parse().expect("\"default\" is a name");
    let strategy: StrategyName = section.parsed("strategy")?.unwrap_or_else(default_strategy);
    if !strategies.contains_key(&strategy) {
        let message = format!(
            "must be {}; got {:?}",
            one_of(strategies.keys()),
            strategy.as_str()
        );
        return Err(section.error("strategy", message));
    }
    Ok(Workload {
        images: images(file, &section, default_registry, registries)?,
        auto: section
            .word("rollout", &[("manual", false), ("auto", true)])?
            .unwrap_or(false),
        strategy,
        local_tag: local_tag(&section)?,
    })
}

fn images(
    file: &str,
    section: &Section<'_>,
    default_registry: &RegistryName,
    registries: &Registries,
) -> Result<Vec<Image>, ConfigError> {
    let what = "registry to path, such as { ghcr = \"platform\" }";
    let table = section.required("images", section.table("images")?, what)?;
    let section = Section::open(file, section.below("images"), table);
    let mut images = Vec::new();
    for (key, path) in section.texts()? {
        let registry: RegistryName = section.parse(key, key)?;
        let prefix = registries.get(&registry).ok_or_else(|| {
            let meant = nearest(key, registries.keys().map(RegistryName::as_str));
            let meant = meant
                .map(|word| format!("; did you mean {word:?}?"))
                .unwrap_or_default();
            section.error(
                key,
                format!(
                    "is no registry of this file{meant} It must be {}",
                    one_of(registries.keys())
                ),
            )
        })?;
        let repository = format!("{prefix}/{path}");
        images.push(Image {
            registry,
            repository: section.parse(key, &repository)?,
        });
    }
    if images.is_empty() {
        return Err(section.error(
            "",
            format!(
                "must name at least one registry: {}",
                one_of(registries.keys())
            ),
        ));
    }
    images.sort_by_key(|image| (image.registry != *default_registry, image.registry.clone()));
    Ok(images)
}

fn local_tag(section: &Section<'_>) -> Result<String, ConfigError> {
    let tag = section.text("local_tag")?.unwrap_or(LOCAL_TAG);
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let starts = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    if tag.len() <= 128 && tag.bytes().all(fits) && tag.as_bytes().first().is_some_and(starts) {
        return Ok(tag.to_owned());
    }
    let message =
        format!("must be a tag: 1 to 128 of a-z, A-Z, 0-9, '_', '.' and '-'; got {tag:?}");
    Err(section.error("local_tag", message))
}

/// `one of a, b, c`.
fn one_of<T: std::fmt::Display>(names: impl Iterator<Item = T>) -> String {
    let names: Vec<_> = names.map(|name| name.to_string()).collect();
    format!("one of {}", names.join(", "))
}

//! What images set by themselves, kept beyond their removal.
//!
//! A container's own settings are told from its image's by the image's; one
//! that was removed while its container stood would make the next update
//! impossible. An engine's id of an image is that of its content, so what was
//! kept under it stays true.

use std::fs;
use std::path::{Path, PathBuf};

use pinion_workload::Image;

use crate::disk;

/// Images that are kept; of more, the oldest go.
const LIMIT: usize = 64;

/// A directory with a file for each image.
#[derive(Debug, Clone, Default)]
pub(super) struct ImageConfigs {
    directory: Option<PathBuf>,
}

impl ImageConfigs {
    /// In a directory, which is made when it is needed.
    pub(super) fn at(directory: &Path) -> Self {
        Self {
            directory: Some(directory.to_owned()),
        }
    }

    /// Keeps what the engine said of an image. What cannot be kept is no
    /// reason to stop: it is only needed if the image goes.
    pub(super) fn keep(&self, image: &Image) {
        let Some(path) = self.path(&image.id).filter(|path| !path.exists()) else {
            return;
        };
        let written = serde_json::to_vec(image).map_err(std::io::Error::other);
        let written = written.and_then(|bytes| {
            disk::private_dir(path.parent().unwrap_or(&path))?;
            disk::replace(&path, &bytes)
        });
        if let Err(error) = written {
            tracing::warn!(
                image = image.id,
                error = &error as &dyn std::error::Error,
                "cannot keep what this image sets"
            );
        }
        self.forget_oldest();
    }

    /// What was kept of an image.
    pub(super) fn get(&self, id: &str) -> Option<Image> {
        let bytes = fs::read(self.path(id)?).ok()?;
        let image: Image = serde_json::from_slice(&bytes).ok()?;
        (image.id == id).then_some(image)
    }

    /// None for what is no id.
    fn path(&self, id: &str) -> Option<PathBuf> {
        let hex = id.strip_prefix("sha256:")?;
        let is_hex = hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit());
        let directory = self.directory.as_ref().filter(|_| is_hex)?;
        Some(directory.join(format!("{hex}.json")))
    }

    fn forget_oldest(&self) {
        let Some(entries) = self.directory.as_ref().and_then(|d| fs::read_dir(d).ok()) else {
            return;
        };
        let aged = entries.flatten().filter_map(|entry| {
            let modified = entry.metadata().and_then(|m| m.modified()).ok()?;
            Some((modified, entry.path()))
        });
        let mut aged: Vec<_> = aged.collect();
        aged.sort();
        let surplus = aged.len().saturating_sub(LIMIT);
        for (_, path) in aged.into_iter().take(surplus) {
            drop(fs::remove_file(path));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn image(n: usize) -> Image {
        Image {
            id: format!("sha256:{n:064x}"),
            repo_digests: Vec::new(),
            repo_tags: Vec::new(),
            os: "linux".to_owned(),
            architecture: "amd64".to_owned(),
            config: json!({ "Env": [format!("N={n}")] }),
        }
    }

    #[test]
    fn what_an_image_sets_is_known_after_it_is_gone_and_the_oldest_are_forgotten() {
        let directory = tempfile::tempdir().expect("a directory");
        let configs = ImageConfigs::at(&directory.path().join("images"));
        assert_eq!(configs.get(&image(1).id), None);
        for n in 1..=LIMIT + 3 {
            configs.keep(&image(n));
            assert_eq!(configs.get(&image(n).id), Some(image(n)));
        }
        let kept = fs::read_dir(directory.path().join("images")).expect("there");
        assert_eq!(kept.count(), LIMIT);
        for id in ["", "sha256:../../x", "web"] {
            assert_eq!(configs.get(id), None, "{id}");
        }
        ImageConfigs::default().keep(&image(1));
    }
}

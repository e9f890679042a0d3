//! What a pull still needs on the disk, as the engine tells of its layers.
//!
//! An engine names each missing layer's compressed size when it begins to bring
//! it, and brings a few at a time. So room is looked at with every word that it
//! says: a pull that does not fit ends before the disk is fuller than it may be.

use std::collections::BTreeMap;

use pinion_model::{Failure, ImageRef};

use crate::Room;
use crate::next::short;
use crate::observed::MIB;

/// A layer takes its compressed size, and about twice that unpacked.
const UNPACKED: u64 = 2;

/// The layers of one pull.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layers(BTreeMap<String, Layer>);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Layer {
    /// Compressed bytes; 0 until the engine has said it.
    size: u64,
    /// Of these, on the disk.
    brought: u64,
    /// Of these, unpacked.
    unpacked: u64,
    is_done: bool,
}

impl Layer {
    fn needs(self) -> u64 {
        if self.is_done {
            return 0;
        }
        let to_unpack = self.size.saturating_sub(self.unpacked);
        let to_bring = self.size.saturating_sub(self.brought);
        to_bring.saturating_add(to_unpack.saturating_mul(UNPACKED))
    }
}

impl Layers {
    /// Takes one line of the engine's progress about the layer `id`: what it
    /// does, and how many of how many bytes it has done.
    pub fn heard(&mut self, id: &str, status: &str, current: u64, total: u64) {
        let layer = self.0.entry(id.to_owned()).or_default();
        match status {
            "Downloading" => {
                layer.size = total.max(current);
                layer.brought = current;
            }
            "Verifying Checksum" | "Download complete" => layer.brought = layer.size,
            "Extracting" => {
                layer.size = layer.size.max(total);
                layer.brought = layer.size;
                layer.unpacked = current.min(layer.size);
            }
            "Already exists" | "Pull complete" => layer.is_done = true,
            _ => {}
        }
    }

    /// Compressed bytes of the layers that are not done, as far as they are known.
    fn missing(&self) -> u64 {
        let open = self.0.values().filter(|layer| !layer.is_done);
        open.map(|layer| layer.size).fold(0, u64::saturating_add)
    }

    /// Why the pull does not fit, as far as its layers are known.
    #[must_use]
    pub fn too_large(&self, image: &ImageRef, room: Room) -> Option<Failure> {
        let needs = self
            .0
            .values()
            .map(|layer| layer.needs())
            .fold(0, u64::saturating_add);
        let wanted = needs.saturating_add(room.floor);
        (room.free < wanted).then(|| {
            short(format!(
                "pulling {image} needs {} MiB (its missing layers are {} MiB, compressed) beside the {} MiB that stay free, \
                 and the engine's disk has {} MiB free: {} MiB are lacking",
                needs.div_ceil(MIB),
                self.missing().div_ceil(MIB),
                room.floor / MIB,
                room.free / MIB,
                (wanted - room.free).div_ceil(MIB),
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> ImageRef {
        format!("ghcr.io/acme/web@sha256:{}", "1".repeat(64))
            .parse()
            .expect("an image")
    }

    fn room(free: u64) -> Room {
        Room {
            free: free * MIB,
            floor: 2048 * MIB,
        }
    }

    /// What lacks of the room for what was heard, in words.
    fn lacking(heard: &[(&str, &str, u64, u64)], free: u64) -> Option<String> {
        let mut layers = Layers::default();
        for (id, status, current, total) in heard {
            layers.heard(id, status, current * MIB, total * MIB);
        }
        let failure = layers.too_large(&image(), room(free))?;
        let words = failure
            .message
            .split(": ")
            .find(|part| part.contains("are lacking"))?;
        Some(words.split(';').next()?.to_owned())
    }

    #[test]
    fn three_times_what_is_missing_must_fit_beside_what_stays_free() {
        let begun = [
            ("a", "Downloading", 0, 100),
            ("b", "Already exists", 0, 0),
            ("c", "Pulling fs layer", 0, 0),
        ];
        assert_eq!(lacking(&begun, 2048 + 300), None);
        assert_eq!(
            lacking(&begun, 2048 + 299).as_deref(),
            Some("1 MiB are lacking")
        );
        assert_eq!(lacking(&begun, 0).as_deref(), Some("2348 MiB are lacking"));
    }

    #[test]
    fn what_is_on_the_disk_already_is_not_needed_again() {
        for (status, current, needs) in [
            ("Downloading", 60, 240),
            ("Verifying Checksum", 0, 200),
            ("Download complete", 0, 200),
            ("Extracting", 0, 200),
            ("Extracting", 75, 50),
            ("Extracting", 100, 0),
            ("Pull complete", 0, 0),
        ] {
            let heard = [("a", "Downloading", 0, 100), ("a", status, current, 100)];
            assert_eq!(lacking(&heard, 2048 + needs), None, "{status} {current}");
            assert_eq!(
                lacking(&heard, 2048 + needs - 1).as_deref(),
                Some("1 MiB are lacking"),
                "{status} {current}"
            );
        }
    }

    #[test]
    fn a_layer_whose_turn_comes_later_counts_from_then() {
        let mut heard = vec![("a", "Downloading", 100, 100), ("a", "Pull complete", 0, 0)];
        assert_eq!(lacking(&heard, 2048), None);
        heard.push(("b", "Downloading", 0, 1000));
        assert_eq!(
            lacking(&heard, 2048).as_deref(),
            Some("3000 MiB are lacking")
        );
    }

    #[test]
    fn absurd_sizes_are_no_defect() {
        let mut layers = Layers::default();
        layers.heard("a", "Downloading", u64::MAX, 1);
        layers.heard("a", "Extracting", 7, u64::MAX);
        assert!(layers.too_large(&image(), room(1)).is_some());
    }
}

use pinion_model::{Digest, Image, WorkloadName};
use pinion_proto::convert::{or_empty, timestamp};
use pinion_proto::v1;
use pinion_rollout::{Pin, World};

/// A pin of a workload.
pub(crate) fn pin(world: &World, name: &WorkloadName, pin: &Pin) -> v1::Pin {
    v1::Pin {
        workload: name.to_string(),
        number: pin.number.0,
        digest: pin.digest.to_string(),
        source_sha: or_empty(pin.source_sha.as_ref()),
        notes: pin.notes.clone(),
        promoted_by: Some((&pin.promoted_by).into()),
        promoted_at: Some(timestamp(pin.at)),
        images: images(&pin.images, &pin.digest),
        stable: world
            .stable(name)
            .is_some_and(|stable| stable.number == pin.number),
    }
}

/// One digest in each of its registries.
pub(crate) fn images(images: &[Image], digest: &Digest) -> Vec<v1::Image> {
    let image = |image: &Image| v1::Image {
        registry: image.registry.to_string(),
        repository: image.repository.to_string(),
        digest: digest.to_string(),
    };
    images.iter().map(image).collect()
}

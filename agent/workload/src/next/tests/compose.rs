//! The tag that Docker Compose looks at moves with its container.

use super::*;
use crate::{Image, Lookup};

fn tags_due(labels: &[(&str, &str)], tags: &[&str]) -> Option<String> {
    let mut before = old("web", ContainerState::Running, "always");
    before.image_reference = "ghcr.io/acme/web:tenant".to_owned();
    before.labels = labels
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    let mut settling = operation(Stage::Settle);
    settling.units = vec![Unit::new(&before, Some(digest(1)))];
    let present = Image {
        id: "image-2".to_owned(),
        repo_digests: vec![image(2)],
        repo_tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        os: "linux".to_owned(),
        architecture: "amd64".to_owned(),
        config: serde_json::Value::Null,
    };
    let held = record(Some(settling));
    let containers = [made("web", ContainerState::Running, "always")];
    let observed = Observed {
        images: &BTreeMap::from([(image(2).to_string(), Lookup::Present(present))]),
        ..observed(&held, &containers)
    };
    match next(&Desired::default(), &observed, NOW) {
        Step::Call(call) => Some(call.key()),
        _ => None,
    }
}

#[test]
fn the_tag_of_a_composed_container_moves_when_all_is_well_if_compose_compares_images() {
    let two = ("com.docker.compose.image", "sha256:0");
    let moved = || Some("tag ghcr.io/acme/web:tenant".to_owned());
    assert_eq!(tags_due(&[two], &[]), moved());
    assert_eq!(tags_due(&[two], &["ghcr.io/acme/web:tenant"]), None);
    // An update before this one noted it.
    let noted = [two, ("pinion.reference", "shop:1")];
    assert_eq!(
        tags_due(&noted, &[]),
        Some("tag docker.io/library/shop:1".to_owned())
    );
    // Compose 1 has the image of that tag in its hash of the settings.
    assert_eq!(
        tags_due(&[("com.docker.compose.version", "1.29.2")], &[]),
        None
    );
}

//! Room for an image before it is pulled.

use super::*;
use crate::{Image, Lookup, Room};

const MIB: u64 = 1024 * 1024;

/// What is done at first of a run, or of a pull ahead.
fn first(ahead: bool, found: Lookup, room: Option<Room>) -> String {
    let mut wanted = assignment();
    if ahead {
        wanted.prefetch = std::mem::take(&mut wanted.run);
    }
    let stage = if ahead {
        Stage::Prefetch
    } else {
        Stage::Prepare
    };
    let operation = Operation::new(&wanted, NOW, 0, NOW).at(stage, NOW);
    let record = record(Some(operation));
    let desired = Desired {
        generation: Generation(1),
        assignments: BTreeMap::from([(wanted.workload.clone(), wanted.clone())]),
        catalog: BTreeMap::new(),
    };
    let observed = Observed {
        images: &BTreeMap::from([(image(2).to_string(), found)]),
        room,
        ..observed(&record, &[])
    };
    said(next(&desired, &observed, NOW), |record| {
        let failure = record.operation.and_then(|operation| operation.failure);
        failure.map_or_else(|| "write".to_owned(), |failure| failure.to_string())
    })
}

#[test]
fn with_too_little_room_nothing_is_pulled() {
    let pull = format!("pull {}", image(2));
    let room = |free: u64| {
        Some(Room {
            free: free * MIB,
            floor: 512 * MIB,
        })
    };
    for ahead in [false, true] {
        for (room, expected) in [
            (None, pull.as_str()),
            (room(512), pull.as_str()),
            (room(511), "disk: the engine's disk has 511 MiB free"),
            (room(0), "disk: the engine's disk has 0 MiB free"),
        ] {
            let step = first(ahead, Lookup::Absent, room);
            assert!(step.starts_with(expected), "{step} for {room:?}");
        }
    }
}

#[test]
fn an_image_that_is_there_needs_no_room() {
    let image = Image {
        id: "image-2".to_owned(),
        repo_digests: vec![image(2)],
        repo_tags: Vec::new(),
        os: "linux".to_owned(),
        architecture: "amd64".to_owned(),
        config: serde_json::Value::Null,
    };
    let none = Some(Room {
        free: 0,
        floor: MIB,
    });
    for ahead in [false, true] {
        let step = first(ahead, Lookup::Present(image.clone()), none);
        assert!(!step.contains("disk"), "{step}");
    }
}

//! What ends a soak.

use super::*;
use crate::probe::Probes;
use crate::{CreateSpec, Image, Lookup};

/// One whose soak is over, proven at its first start.
fn soaked() -> (Record, Container, Container) {
    let next = made("web", ContainerState::Running, "always");
    let mut operation = operation(Stage::Soak);
    operation.units[0].proven = true;
    operation.units[0].began = Some(NOW);
    operation.units[0].healthy = Some(Streak {
        since: NOW,
        starts: vec![next.start_mark()],
    });
    let aside = old("web.prev.g1a1", ContainerState::Exited, "no");
    (record(Some(operation)), aside, next)
}

/// Writes what is to be written, and says where the operation then is.
fn settle_down(record: &mut Record, containers: &[Container], now: Timestamp) -> Operation {
    while let Step::Write(written) = step(record, containers, now) {
        *record = *written;
        let goes_on = record.operation.as_ref().expect("it goes on");
        if goes_on.stage != Stage::Soak {
            break;
        }
    }
    record.operation.clone().expect("it goes on")
}

#[test]
fn a_soak_ends_well_only_with_what_was_proven() {
    let (soaking, aside, next) = soaked();
    let end = NOW + 20 * SECOND;
    let good = [aside.clone(), next.clone()];
    assert_eq!(
        settle_down(&mut soaking.clone(), &good, end).stage,
        Stage::Settle
    );
    let doubtful = [
        Container {
            health: Health::Starting,
            ..next.clone()
        },
        Container {
            state: ContainerState::Paused,
            ..next.clone()
        },
        Container {
            started_at: Some(Timestamp(7)),
            ..next.clone()
        },
    ];
    for next in doubtful {
        let is_well = next.started_at.is_some();
        let mut record = soaking.clone();
        let seen = [aside.clone(), next];
        let doubted = settle_down(&mut record, &seen, end);
        assert_eq!(
            (doubted.stage, doubted.units[0].proven),
            (Stage::Soak, false),
            "{seen:?}"
        );
        let later = settle_down(&mut record, &seen, end + 60 * SECOND);
        let expected = if is_well {
            Stage::Settle
        } else {
            Stage::RollBack
        };
        assert_eq!(later.stage, expected, "{seen:?}");
    }
}

/// The same of Compose, with what was saved of the old one.
fn composed() -> (Record, Container, Container) {
    let (mut soaking, aside, mut next) = soaked();
    let label = ("com.docker.compose.project".to_owned(), "shop".to_owned());
    next.labels.extend([label]);
    let operation = soaking.operation.as_mut().expect("it soaks");
    operation.units[0].saved = Some(Box::new(CreateSpec {
        body: serde_json::json!({ "Env": ["PASSWORD=hunter2"] }),
        connect: Vec::new(),
        warnings: Vec::new(),
    }));
    (soaking, aside, next)
}

fn due(record: &Record, containers: &[Container]) -> String {
    due_with(record, containers, Lookup::Unknown)
}

/// What is due while the engine says that of the old image.
fn due_with(record: &Record, containers: &[Container], old_image: Lookup) -> String {
    let images = BTreeMap::from([("image-1".to_owned(), old_image)]);
    let step = step_knowing(&images, Probes::NONE, record, containers, NOW);
    said(step, |record| {
        let operation = record.operation.expect("it goes on");
        let unit = &operation.units[0];
        format!(
            "write {:?}, lost {}, remade {:?}",
            operation.stage, unit.lost, unit.remade
        )
    })
}

#[test]
fn an_old_one_of_compose_goes_at_once_and_the_new_one_soaks_all_the_same() {
    let (soaking, aside, next) = composed();
    assert_eq!(due(&soaking, &[aside.clone(), next.clone()]), "remove old");
    assert_eq!(
        due(&soaking, std::slice::from_ref(&next)),
        "rest",
        "it soaks"
    );
    let mut settling = soaking.clone();
    let end = NOW + 20 * SECOND;
    assert_eq!(
        settle_down(&mut settling, std::slice::from_ref(&next), end).stage,
        Stage::Settle
    );
    let mut unsaved = soaking.clone();
    unsaved.operation.as_mut().expect("it soaks").units[0].saved = None;
    assert_eq!(
        due(&unsaved, &[aside.clone(), next]),
        "rest",
        "nothing was saved of it"
    );
    let (soaking, aside, next) = soaked();
    assert_eq!(due(&soaking, &[aside, next]), "rest", "nobody counts it");
}

#[test]
fn one_that_is_gone_is_made_again_in_order_and_only_on_an_image_that_is_here() {
    let (soaking, _, next) = composed();
    let sick = Container {
        health: Health::Unhealthy,
        ..next.clone()
    };
    let mut back = soaking;
    let taken = settle_down(&mut back, &[sick], NOW);
    assert_eq!(taken.stage, Stage::RollBack);
    back.operation.as_mut().expect("it goes back").units[0].words = true;
    let present = || {
        Lookup::Present(Image {
            id: "image-1".to_owned(),
            repo_digests: vec![image(1)],
            repo_tags: Vec::new(),
            os: "linux".to_owned(),
            architecture: "amd64".to_owned(),
            config: serde_json::json!({}),
        })
    };
    use ContainerState::{Created, Exited, Running};
    let with = |name: &str, state, policy: &str| {
        let mut next = made(name, state, policy);
        next.labels
            .extend([("com.docker.compose.project".to_owned(), "shop".to_owned())]);
        next
    };
    let failed = with("web.failed.g1a1", Exited, "no");
    let again = |name: &str, state| {
        let mut again = container("again", name, 1, state, "always");
        let labels = [("pinion.op", "g1a1"), ("pinion.restores", "old")];
        again.labels = labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        again
    };
    for (containers, old_image, expected) in [
        (
            vec![with("web", Running, "always")],
            present(),
            "rename next to web.failed.g1a1",
        ),
        (
            vec![with("web.failed.g1a1", Running, "always")],
            present(),
            "set restart policy no of next",
        ),
        (
            vec![with("web.failed.g1a1", Running, "no")],
            present(),
            "stop next",
        ),
        (vec![failed.clone()], Lookup::Unknown, "rest"),
        (
            vec![failed.clone()],
            Lookup::Absent,
            "write RollBack, lost true, remade None",
        ),
        (vec![failed.clone()], present(), "make again web.back.g1a1"),
        (
            vec![failed.clone(), again("web.back.g1a1", Created)],
            present(),
            "remove again",
        ),
        (
            vec![failed.clone(), again("web", Created)],
            present(),
            "write RollBack, lost false, remade Some(ContainerId(\"again\"))",
        ),
    ] {
        assert_eq!(
            due_with(&back, &containers, old_image),
            expected,
            "{containers:?}"
        );
    }
    back.operation.as_mut().expect("it goes back").units[0].remade =
        Some(ContainerId("again".to_owned()));
    for (state, name, expected) in [
        (Created, "web.back.g1a1", "rename again to web"),
        (Created, "web", "start again"),
        (
            Running,
            "web",
            "write RollBack, lost false, remade Some(ContainerId(\"again\"))",
        ),
    ] {
        assert_eq!(
            due_with(&back, &[failed.clone(), again(name, state)], present()),
            expected
        );
    }
    assert_eq!(
        due_with(&back, &[failed], present()),
        "write RollBack, lost true, remade Some(ContainerId(\"again\"))",
        "it is not made a third time"
    );
}

#[test]
fn what_was_saved_shows_nothing_of_itself() {
    let (soaking, ..) = composed();
    let operation = soaking.operation.as_ref().expect("it soaks");
    let shown = format!("{soaking:?}");
    assert!(
        shown.contains("CreateSpec") && !shown.contains("hunter2"),
        "{shown}"
    );
    let report = serde_json::to_string(&operation.report(&assignment().workload, NOW));
    assert!(!report.expect("a report").contains("hunter2"));
    let journal = serde_json::to_string(&soaking).expect("a record");
    assert!(journal.contains("hunter2"), "the journal alone has it");
}

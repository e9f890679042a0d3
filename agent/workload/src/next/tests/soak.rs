//! What ends a soak.

use super::*;

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

#[test]
fn a_container_of_compose_is_not_soaked_and_that_is_said() {
    let (soaking, aside, mut next) = soaked();
    let label = ("com.docker.compose.project".to_owned(), "shop".to_owned());
    next.labels.extend([label]);
    let seen = [aside, next];
    let settling = settle_down(&mut soaking.clone(), &seen, NOW);
    assert_eq!(settling.stage, Stage::Settle);
    let mut cutting = soaking.operation.expect("it soaks");
    cutting.stage = Stage::Cut;
    let Step::Write(soaking) = step(&record(Some(cutting)), &seen, NOW) else {
        panic!("a stage is written down");
    };
    let said = soaking.operation.expect("it soaks").waiting_for;
    assert!(said.contains("soak 0"), "{said}");
}

//! The agent in a container, which a replacer replaces.

use super::*;

fn replacer(state: ContainerState) -> Container {
    let mut replacer = container("replacer", "pinion-agent-replacer-g1a1", 2, state, "always");
    replacer.labels = BTreeMap::from([(REPLACER_LABEL.to_owned(), op().to_string())]);
    replacer
}

#[test]
fn in_a_container_a_replacer_replaces_it_and_is_removed_in_the_end() {
    use ContainerState::{Created, Exited, Running};
    let own = old(AGENT, Running, "always");
    let in_old = |slots: Slots| Itself {
        home: Home::Container(own.id.clone()),
        ..itself(Slot::A, slots)
    };
    let at_work = || slots().handed_over(candidate(false));
    let says = |stage: Stage, itself: Itself, containers: &[Container]| {
        let mut operation = Operation::new(&wanted(), NOW, 0, NOW).at(stage, NOW);
        operation.image = Some(image(2));
        operation.units = vec![Unit::new(&own, Some(digest(1)))];
        operation.units[0].made = true;
        let mut case = Case::of(Stage::Cut, itself);
        case.operation = Some(operation);
        case.containers = Ok(containers);
        case.says()
    };
    let creates = format!("create the container that replaces the agent for {}", op());
    assert_eq!(
        says(Stage::Cut, in_old(slots()), std::slice::from_ref(&own)),
        creates
    );
    for (state, expected) in [
        (Created, "start replacer"),
        (Exited, "start replacer"),
        (Running, "rest"),
    ] {
        let containers = [own.clone(), replacer(state)];
        assert_eq!(
            says(Stage::Cut, in_old(at_work()), &containers),
            expected,
            "{state:?}"
        );
    }
    let mut crashing = replacer(ContainerState::Restarting);
    crashing.restart_count = TRIES;
    let containers = [own.clone(), crashing];
    assert_eq!(
        says(Stage::Cut, in_old(at_work()), &containers),
        "RollBack start"
    );

    // In the new one: confirmed, then the replacer's verdict is waited for.
    let mut new = container("next", AGENT, 2, Running, "always");
    new.labels = BTreeMap::from([("pinion.op".to_owned(), op().to_string())]);
    let in_new = |slots: Slots| Itself {
        home: Home::Container(new.id.clone()),
        ..itself(Slot::A, slots)
    };
    let both = [new.clone(), replacer(Running)];
    let confirmed = || slots().handed_over(candidate(true));
    assert_eq!(says(Stage::Soak, in_new(confirmed()), &both), "rest");
    assert_eq!(
        says(Stage::Soak, in_new(confirmed()), &both[..1]),
        creates,
        "it was lost"
    );
    let kept = || confirmed().kept(&op());
    assert_eq!(says(Stage::Soak, in_new(kept()), &both), "Settle");
    assert_eq!(says(Stage::Settle, in_new(kept()), &both), "stop replacer");
    let ended = [new.clone(), replacer(Exited)];
    assert_eq!(
        says(Stage::Settle, in_new(kept()), &ended),
        "remove replacer"
    );
    assert_eq!(says(Stage::Settle, in_new(kept()), &ended[..1]), "settled");

    // Back in the old one.
    let back = judged(Cause::Crashed {
        how: "1".to_owned(),
    })
    .slots
    .expect("judged");
    assert_eq!(
        says(
            Stage::Cut,
            in_old(back.clone()),
            &[own.clone(), replacer(Running)]
        ),
        "RollBack start"
    );
    let mut fenced = own.clone();
    fenced.restart_policy = "no".to_owned();
    let fenced = [fenced, replacer(Exited)];
    assert_eq!(
        says(Stage::RollBack, in_old(back.clone()), &fenced),
        "remove replacer"
    );
    assert_eq!(
        says(Stage::RollBack, in_old(back), &fenced[..1]),
        "set restart policy always of old"
    );
}

#[test]
fn a_replacer_proves_the_next_agents_container_only_once_that_has_confirmed() {
    let containers = [
        old("pinion-agent.prev.g1a1", ContainerState::Exited, "no"),
        {
            let mut next = made(AGENT, ContainerState::Running, "always");
            next.started_at = Some(NOW);
            next
        },
    ];
    let mut operation = operation(Stage::Cut);
    operation.units[0].name = AGENT.to_owned();
    operation.units[0].began = Some(NOW);
    operation.units[0].healthy = Some(Streak {
        since: NOW,
        starts: vec![containers[1].start_mark()],
    });
    let proves = |confirmed: bool, seconds: u32| {
        let mut case = Case::of(Stage::Cut, tried(confirmed));
        case.itself.home = Home::Replacer;
        case.operation = Some(operation.clone());
        case.containers = Ok(&containers);
        case.now = NOW + seconds * SECOND;
        said(case.step(), |record| {
            let operation = record.operation.expect("it goes on");
            match operation.failure {
                Some(failure) => failure.kind.to_string(),
                None => format!("proven {}", operation.units[0].proven),
            }
        })
    };
    assert_eq!(proves(false, 5), "rest");
    assert_eq!(proves(true, 5), "proven true");
    assert_eq!(proves(false, 59), "rest");
    assert_eq!(proves(false, 60), "indeterminate");
}

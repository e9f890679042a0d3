//! Which images are removed, and which never are.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{Answer, Image, Lookup, Outcome, learn, needed_elsewhere};

const OTHER: &str = "registry.fly.io/web";

fn elsewhere(n: u8) -> ImageRef {
    ImageRef {
        repository: OTHER.parse().expect("a repository"),
        digest: digest(n),
    }
}

fn anchor(reference: &ImageRef) -> String {
    format!(
        "{}:pinion-{}",
        reference.repository,
        reference.digest.short()
    )
}

/// What the engine has under the n-th digest: references, and tags by hand.
fn image_with(n: u8, references: &[ImageRef], tags: &[&str]) -> Image {
    Image {
        id: format!("image-{n}"),
        repo_digests: references.to_vec(),
        repo_tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        os: "linux".to_owned(),
        architecture: "amd64".to_owned(),
        config: serde_json::Value::Null,
    }
}

fn outcome(phase: AgentPhase) -> Outcome {
    Outcome {
        generation: Generation(1),
        attempt: Attempt(1),
        digest: Some(digest(2)),
        phase,
        failure: None,
        forced: None,
        running: Some(digest(2)),
        at: NOW,
    }
}

/// Settled on image 2, which the assignment wants; images 3 and 4 were proven before it.
fn settled() -> Record {
    let mut record = record(None);
    record.outcome = Some(outcome(AgentPhase::Settled));
    record.proven = vec![image(2), image(3), image(4)];
    record
}

/// The machine beside the record.
#[derive(Default, Clone)]
struct Beside {
    images: BTreeMap<String, Lookup>,
    containers: Vec<Container>,
    elsewhere: BTreeSet<Digest>,
}

impl Beside {
    fn has(mut self, image: &Image) -> Self {
        for reference in &image.repo_digests {
            self.images
                .insert(reference.to_string(), Lookup::Present(image.clone()));
        }
        self
    }

    fn lacks(mut self, reference: &ImageRef) -> Self {
        self.images.insert(reference.to_string(), Lookup::Absent);
        self
    }
}

fn observe<T>(
    record: &Record,
    beside: &Beside,
    ask: impl FnOnce(&Desired, &Observed<'_>) -> T,
) -> T {
    let workload = assignment().workload;
    let desired = Desired {
        generation: Generation(1),
        assignments: BTreeMap::from([(workload.clone(), assignment())]),
        catalog: BTreeMap::new(),
    };
    let observed = Observed {
        images: &beside.images,
        needed_elsewhere: &beside.elsewhere,
        ..observed(record, &beside.containers)
    };
    ask(&desired, &observed)
}

/// What is done while nothing else is to do.
fn idle(record: &Record, beside: &Beside) -> String {
    let step = observe(record, beside, |desired, observed| {
        next(desired, observed, NOW)
    });
    said(step, |after| {
        let gone = |all: &BTreeSet<ImageRef>, left: &BTreeSet<ImageRef>| all.len() - left.len();
        format!(
            "forget {} {}",
            gone(&record.pulled, &after.pulled),
            gone(&record.anchors, &after.anchors)
        )
    })
}

/// Image 5 was pulled by us and anchored, and nobody needs it.
fn leftover() -> Record {
    let mut record = settled();
    record.pulled = BTreeSet::from([image(2), image(3), image(4), image(5)]);
    record.anchors = record.pulled.clone();
    record
}

#[test]
fn what_was_pulled_and_is_not_needed_goes_reference_by_reference() {
    let (reference, tag) = (image(5), anchor(&image(5)));
    let anchored = image_with(5, &[image(5)], &[&tag]);
    assert_eq!(
        idle(&leftover(), &Beside::default().has(&anchored)),
        format!("untag {tag}")
    );
    let bare = image_with(5, &[image(5)], &[]);
    assert_eq!(
        idle(&leftover(), &Beside::default().has(&bare)),
        format!("untag {reference}")
    );
    // One store lists digests among the tags.
    let listed = image_with(5, &[image(5)], &[&reference.to_string()]);
    assert_eq!(
        idle(&leftover(), &Beside::default().has(&listed)),
        format!("untag {reference}")
    );
    assert_eq!(
        idle(&leftover(), &Beside::default().lacks(&reference)),
        "forget 1 1"
    );
    assert_eq!(
        idle(&leftover(), &Beside::default()),
        "rest",
        "what is unknown is not absent"
    );
}

#[test]
fn what_is_used_tagged_or_needed_stays() {
    let tag = anchor(&image(5));
    let anchored = image_with(5, &[image(5)], &[&tag]);
    let there = Beside::default().has(&anchored);
    let used = |state| {
        let mut there = there.clone();
        there.containers = vec![container("x", "x", 5, state, "no")];
        there
    };
    for state in [
        ContainerState::Running,
        ContainerState::Exited,
        ContainerState::Created,
        ContainerState::Dead,
    ] {
        assert_eq!(idle(&leftover(), &used(state)), "rest", "{state:?}");
    }
    let mut by_id = used(ContainerState::Exited);
    by_id.containers[0].repo_digests.clear();
    assert_eq!(
        idle(&leftover(), &by_id),
        "rest",
        "its image is gone by name and not by id"
    );
    for name in [
        "ghcr.io/acme/web:mine",
        "docker.io/library/mine:1",
        &anchor(&image(6)),
    ] {
        let tagged = image_with(5, &[image(5)], &[&tag, name]);
        assert_eq!(
            idle(&leftover(), &Beside::default().has(&tagged)),
            "rest",
            "{name}"
        );
    }
    let mut needed = there.clone();
    needed.elsewhere = BTreeSet::from([digest(5)]);
    assert_eq!(
        idle(&leftover(), &needed),
        "rest",
        "another workload needs it"
    );
    let mut silent = leftover();
    silent.collect_after = Some(NOW + SECOND);
    assert_eq!(
        idle(&silent, &there),
        "rest",
        "the engine refused a moment ago"
    );
    for phase in [
        AgentPhase::Withdrawn,
        AgentPhase::Prefetched,
        AgentPhase::RolledBack,
        AgentPhase::Refused,
    ] {
        let mut other = leftover();
        other.outcome = Some(outcome(phase));
        assert_eq!(idle(&other, &there), "rest", "{phase}");
    }
}

#[test]
fn what_was_there_before_stays_and_loses_at_most_our_tag() {
    let tag = anchor(&image(5));
    let mut record = leftover();
    record.pulled.remove(&image(5));
    let alone = image_with(5, &[image(5)], &[&tag]);
    assert_eq!(
        idle(&record, &Beside::default().has(&alone)),
        "forget 0 1",
        "its last tag takes its digest with it"
    );
    let beside = image_with(5, &[image(5)], &[&tag, "ghcr.io/acme/web:v5"]);
    assert_eq!(
        idle(&record, &Beside::default().has(&beside)),
        format!("untag {tag}")
    );
    let other = image_with(5, &[image(5)], &[&tag, "docker.io/library/web:v5"]);
    assert_eq!(idle(&record, &Beside::default().has(&other)), "forget 0 1");
}

#[test]
fn the_current_one_and_two_proven_before_it_are_kept_and_the_tagged_and_the_wanted() {
    let mut record = leftover();
    record.tagged = Some(image(6));
    record.pulled.extend([image(6), image(7)]);
    let mut there = Beside::default();
    for n in 1..=7 {
        there = there.has(&image_with(n, &[image(n)], &[]));
    }
    let mut removed = BTreeSet::new();
    for _ in 0..8 {
        match observe(&record, &there, |desired, observed| {
            next(desired, observed, NOW)
        }) {
            Step::Call(crate::Call::Untag(reference)) => {
                there = there.lacks(&reference.parse().expect("a digest"));
                removed.insert(reference);
            }
            Step::Write(after) => record = *after,
            _ => break,
        }
    }
    assert_eq!(
        removed,
        BTreeSet::from([image(5).to_string(), image(7).to_string()])
    );
    assert_eq!(
        record.pulled,
        BTreeSet::from([image(2), image(3), image(4), image(6)])
    );
}

#[test]
fn what_the_engine_keeps_is_left_for_a_while() {
    let tag = anchor(&image(5));
    let call = crate::Call::Untag(tag.clone());
    let there = Beside::default().has(&image_with(5, &[image(5)], &[&tag]));
    let after = |record: &Record, answer: &Answer| {
        observe(record, &there, |_, observed| {
            learn(observed, &call, answer, NOW)
        })
        .expect("learned")
    };
    let refused = Answer::Failed(Failure::new(FailureKind::Engine, "a container is using it"));
    let kept = after(&leftover(), &refused);
    assert_eq!(idle(&kept, &there), "rest");
    let done = after(&leftover(), &Answer::Done);
    assert_eq!(
        idle(&done, &there),
        format!("untag {tag}"),
        "it is there again or still"
    );
    assert_eq!(
        idle(&after(&done, &Answer::Done), &there),
        "rest",
        "it says that it does, and does not"
    );
}

#[test]
fn only_what_the_engine_said_it_pulled_is_ours() {
    let call = crate::Call::Pull(image(9));
    let failed = Answer::Failed(Failure::new(FailureKind::Network, "reset"));
    for (answer, ours) in [
        (Answer::Done, true),
        (Answer::WasThere, false),
        (failed, false),
    ] {
        let mut pulling = operation(Stage::Prepare);
        pulling.assignment.run = vec![image(9)];
        let before = record(Some(pulling));
        let after = observe(&before, &Beside::default(), |_, observed| {
            learn(observed, &call, &answer, NOW)
        });
        let pulled = after.expect("learned").pulled;
        assert_eq!(pulled.contains(&image(9)), ours, "{answer:?}");
    }
}

#[test]
fn every_other_workload_of_the_machine_is_heard() {
    let mut busy = record(Some(operation(Stage::Create)));
    busy.proven = vec![image(7)];
    let name: WorkloadName = "other".parse().expect("a name");
    let records = BTreeMap::from([(name.clone(), busy), (assignment().workload, settled())]);
    let mut prefetching = assignment();
    prefetching.run = Vec::new();
    prefetching.prefetch = vec![image(8)];
    let desired = Desired {
        generation: Generation(1),
        assignments: BTreeMap::from([(name, prefetching)]),
        catalog: BTreeMap::new(),
    };
    // Wanted, chosen and replaced by what it does; proven; pulled ahead.
    let needed = needed_elsewhere(&desired, &records, &assignment().workload);
    assert_eq!(
        needed,
        BTreeSet::from([digest(1), digest(2), digest(7), digest(8)])
    );
}

fn any_digits() -> impl Strategy<Value = BTreeSet<u8>> {
    prop::collection::btree_set(1_u8..9, 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// Whatever the journal and the engine hold, at rest and in want of room.
    #[test]
    fn nothing_is_removed_that_is_not_ours_or_that_anybody_needs(
        (pulled, anchors, proven, elsewhere_needed) in (any_digits(), any_digits(), any_digits(), any_digits()),
        (used, tagged, elsewhere_pulled) in (any_digits(), any_digits(), any_digits()),
        (anchored, other_tag) in (any_digits(), any_digits()),
        is_short in any::<bool>(),
    ) {
        let mut record = settled();
        record.pulled = pulled.iter().map(|n| image(*n)).chain(elsewhere_pulled.iter().map(|n| elsewhere(*n))).collect();
        record.anchors = anchors.iter().map(|n| image(*n)).collect();
        record.proven = proven.iter().take(3).map(|n| image(*n)).collect();
        if is_short {
            let mut operation = operation(Stage::Prepare);
            operation.shortage.failure = Some(Failure::new(FailureKind::Disk, "full"));
            record.operation = Some(operation);
        }
        let mut beside = Beside { elsewhere: elsewhere_needed.iter().map(|n| digest(*n)).collect(), ..Beside::default() };
        for n in 1..9 {
            let own = anchor(&image(n));
            let by_hand = format!("ghcr.io/acme/web:v{n}");
            let mut tags = Vec::new();
            if anchored.contains(&n) { tags.push(own.as_str()); }
            if tagged.contains(&n) { tags.push(by_hand.as_str()); }
            if other_tag.contains(&n) { tags.push("docker.io/library/x:1"); }
            beside = beside.has(&image_with(n, &[image(n), elsewhere(n)], &tags));
            if n == 2 && !anchored.contains(&n) { beside = beside.lacks(&image(2)); }
            if used.contains(&n) { beside.containers.push(container(&format!("c{n}"), "x", n, ContainerState::Exited, "no")); }
        }
        let step = observe(&record, &beside, |desired, observed| next(desired, observed, NOW));
        if let Step::Call(crate::Call::Untag(reference)) = step {
            let n = (1..9).find(|n| [anchor(&image(*n)), anchor(&elsewhere(*n)), image(*n).to_string(), elsewhere(*n).to_string()].contains(&reference));
            let n = n.expect("an anchor or a digest");
            let is_anchor = reference.contains(":pinion-");
            let ours = match reference.starts_with(OTHER) { true => record.pulled.contains(&elsewhere(n)), false => record.pulled.contains(&image(n)) };
            let needed = n == 2 || record.proven.contains(&image(n)) || elsewhere_needed.contains(&n) || (is_short && n == 1);
            prop_assert!(!needed, "{reference} is needed");
            prop_assert!(ours || (is_anchor && tagged.contains(&n)), "{reference} is not ours");
            if ours {
                prop_assert!(!used.contains(&n), "{reference} is used");
                prop_assert!(!tagged.contains(&n) && !other_tag.contains(&n), "{reference} is tagged");
            }
        }
    }
}

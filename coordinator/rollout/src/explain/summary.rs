use pinion_model::{AgentPhase, RolloutId, RolloutPhase, Timestamp};

use super::kept;
use crate::gates::prefetch::{Pass, wait};
use crate::gates::{
    self, Verdict, View, approval, bake, budget, in_flight, metric, min_proven, others, presence,
    progress, room, window,
};
use crate::naming::few;
use crate::world::{Class, Way};
use crate::{Presence, Rollout, World};

/// What a stage's next step waits for, in words; empty if nothing.
#[must_use]
pub fn waiting_for(
    world: &World,
    rollout: &RolloutId,
    stage: usize,
    now: Timestamp,
) -> Vec<String> {
    let Some(rollout) = world.rollouts.get(rollout) else {
        return Vec::new();
    };
    let Some(view) = View::all(world, rollout, now).nth(stage) else {
        return Vec::new();
    };
    if rollout.phase == RolloutPhase::Aborting && !rollout.rolled_back {
        return unfinished(view).into_iter().collect();
    }
    if stage != rollout.open_stage {
        return Vec::new();
    }
    match rollout.phase {
        RolloutPhase::Running | RolloutPhase::AwaitingApproval => waits(view),
        RolloutPhase::Paused | RolloutPhase::Halted => {
            vec![format!("{} ({})", resumed(world, rollout), rollout.reason)]
        }
        _ => Vec::new(),
    }
}

fn waits(view: View<'_>) -> Vec<String> {
    if let Some(pass) = Pass::of(view.world, view.rollout, view.now) {
        return match wait(pass) {
            Verdict::Wait(wait) => vec![wait.detail],
            _ => Vec::new(),
        };
    }
    let verdicts = if view.stage.opened_at.is_none() || approval::check(view) != Verdict::Pass {
        vec![approval::check(view)]
    } else if gates::settled(view) == Verdict::Pass {
        vec![metric::check(view)]
    } else {
        vec![
            in_flight::check(view),
            room::check(view),
            others::check(view),
            presence::check(view),
            window::check(view),
            min_proven::check(view),
            bake::check(view),
            progress::check(view),
        ]
    };
    let waits = verdicts.into_iter().filter_map(|verdict| match verdict {
        Verdict::Wait(wait) => Some(wait.detail),
        _ => None,
    });
    waits.chain(budget::unjudged(view)).collect()
}

/// The machines that an abort waits for: in flight or soaking.
fn unfinished(view: View<'_>) -> Option<String> {
    let classes = Class::IN_FLIGHT.into_iter().chain([Class::Soaking]);
    let members: Vec<_> = classes.flat_map(|class| view.members(class)).collect();
    let named = few(members.iter().map(|(id, member)| {
        let phase = member.phase.map_or("not reported yet", AgentPhase::word);
        let presence = view.world.agents.get(*id).map(|agent| agent.presence);
        let away = match presence {
            Some(Presence::Offline) => ", offline",
            _ => "",
        };
        format!("{id} ({phase}{away})")
    }));
    let stage = &view.stage.rules.name;
    (!members.is_empty()).then(|| format!("machines of stage {stage} to finish: {named}"))
}

/// Why the rollout as a whole is where it is, in one sentence or two. Empty if
/// there is no such rollout.
#[must_use]
pub fn summary(world: &World, rollout: &RolloutId, now: Timestamp) -> String {
    let Some(rollout) = world.rollouts.get(rollout) else {
        return String::new();
    };
    format!("{}{}", sentence(world, rollout, now), kept::note(rollout))
}

fn sentence(world: &World, rollout: &Rollout, now: Timestamp) -> String {
    let place = place(rollout);
    match rollout.phase {
        RolloutPhase::Running | RolloutPhase::AwaitingApproval => {
            let waits = waiting_for(world, &rollout.id, rollout.open_stage, now);
            format!(
                "{} is {}, {place}; it waits for {}",
                rollout.id,
                rollout.phase,
                listed(&waits)
            )
        }
        RolloutPhase::Paused | RolloutPhase::Halted if rollout.rolled_back => format!(
            "{} is {} while its machines go back: {} ({}). {}",
            rollout.id,
            rollout.phase,
            rollout.reason,
            going_back(world, rollout, now),
            back_steps(rollout)
        ),
        RolloutPhase::Paused | RolloutPhase::Halted => format!(
            "{} is {}, {place}: {}. {}",
            rollout.id,
            rollout.phase,
            rollout.reason,
            steps(world, rollout)
        ),
        phase if rollout.rolled_back && !phase.is_terminal() => format!(
            "{} is {phase} ({}): {}",
            rollout.id,
            rollout.reason,
            going_back(world, rollout, now)
        ),
        RolloutPhase::Aborting => {
            let waits = View::all(world, rollout, now).filter_map(unfinished);
            format!(
                "{} is aborting ({}); it waits for {}",
                rollout.id,
                rollout.reason,
                listed(&waits.collect::<Vec<_>>())
            )
        }
        phase if rollout.reason.is_empty() => format!("{} is {phase}", rollout.id),
        phase => match rollout.reason.strip_prefix(phase.word()) {
            Some(by) => format!("{} is {phase}{by}", rollout.id),
            None => format!("{} is {phase}: {}", rollout.id, rollout.reason),
        },
    }
}

/// What lets one that stands still go on.
fn resumed(world: &World, rollout: &Rollout) -> String {
    let waits = !rollout.rolled_back && world.is_quarantined(rollout.digest());
    let first = match waits {
        true => "the quarantine of its image to be lifted, then ",
        false => "",
    };
    format!("{first}`pinion rollout resume {}`", rollout.id)
}

/// What a person can do about one that stands still.
fn steps(world: &World, rollout: &Rollout) -> String {
    let id = &rollout.id;
    match world.is_quarantined(rollout.digest()) {
        true => format!(
            "While its image is quarantined it cannot be resumed; `pinion rollout abort {id}` and `rollback` end it, and so does a rollout of another image"
        ),
        false => format!("`pinion rollout resume {id}` goes on, `abort` and `rollback` end it"),
    }
}

/// The same for one whose machines go back.
fn back_steps(rollout: &Rollout) -> String {
    let id = &rollout.id;
    let retry = match rollout.phase {
        RolloutPhase::Halted => {
            format!("`pinion rollout retry {id}` sends those that failed once more, ")
        }
        _ => String::new(),
    };
    format!(
        "{retry}`pinion rollout resume {id}` goes on; a rollout of another image takes its place"
    )
}

/// How many machines are not back yet.
fn going_back(world: &World, rollout: &Rollout, now: Timestamp) -> String {
    let waits = |ways: &[Way]| {
        let stages = View::all(world, rollout, now);
        let counts = stages.flat_map(|view| ways.iter().map(move |way| view.tally.ways(*way)));
        counts.sum::<usize>()
    };
    let (going, yet) = (
        waits(&[Way::Going, Way::Astray]),
        waits(&[Way::Todo, Way::Busy]),
    );
    let stands = rollout.interrupted.is_some();
    let (going, yet) = if stands {
        (going, yet)
    } else {
        (going + yet, 0)
    };
    let more = [
        (yet, "not sent yet"),
        (waits(&[Way::Held]), "held"),
        (waits(&[Way::Stuck]), "failed"),
    ];
    let more = more.into_iter().filter(|(count, _)| *count > 0);
    let more: String = more
        .map(|(count, what)| format!(", {count} {what}"))
        .collect();
    format!(
        "{going} machine(s) on their way, {} offline{more}",
        waits(&[Way::Away, Way::GoingOffline])
    )
}

fn listed(waits: &[String]) -> String {
    if waits.is_empty() {
        "nothing".to_owned()
    } else {
        waits.join("; ")
    }
}

fn place(rollout: &Rollout) -> String {
    let pass = rollout.prefetch.as_ref();
    if pass.is_some_and(|pass| pass.passed_at.is_none()) {
        return format!("prefetch (before {} stage(s))", rollout.stages.len());
    }
    match rollout.open() {
        Some(stage) => {
            format!(
                "stage {} ({} of {}, with {} of {} selected machine(s))",
                stage.rules.name,
                rollout.open_stage + 1,
                rollout.stages.len(),
                stage.order.len(),
                rollout.selected
            )
        }
        None => "all stages passed".to_owned(),
    }
}

//! Start-first, with a death of the agent at every call: never two that an
//! engine's restart would start, never none that runs.

use std::time::Duration;

use pinion_model::AgentPhase::{self, RolledBack, Settled};
use pinion_workload::{ORDER_LABEL, START_FIRST};

use super::rig::{Rig, SECOND, desired, digest, image};
use crate::driver::fake::Behaviour::{
    self, DoesNotStart, Exits, Healthy, NeverHealthy, Runs, Sickens,
};
use crate::driver::fake::Crash;

/// What the next image does, the container's policy, and how it ends.
const SCENES: [(Behaviour, &str, AgentPhase); 7] = [
    (Healthy(SECOND), "always", Settled),
    (Runs, "unless-stopped", Settled),
    (Exits(SECOND), "always", RolledBack),
    (NeverHealthy, "always", RolledBack),
    (DoesNotStart, "always", RolledBack),
    (Sickens(SECOND), "no", RolledBack),
    (Sickens(Duration::from_secs(15)), "always", RolledBack),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    Death(usize, Crash),
    DeathAndLoss(usize, Crash),
    DeathOfBoth(usize, Crash),
    LostAnswer(usize, Crash),
}

const FAULTS: [fn(usize, Crash) -> Fault; 4] = [
    Fault::Death,
    Fault::DeathAndLoss,
    Fault::DeathOfBoth,
    Fault::LostAnswer,
];

/// Plays an update, and returns how many calls it took.
async fn play((next, policy, end): (Behaviour, &str, AgentPhase), fault: Fault) -> usize {
    let rig = Rig::new();
    {
        let mut machine = rig.engine.machine();
        machine.load(&image(1), Healthy(SECOND));
        machine.publish(&image(2), Ok(next));
        machine.seed("web", &image(1), policy, true);
        machine.label("web", ORDER_LABEL, START_FIRST);
    }
    if let Fault::Death(at, when) | Fault::DeathAndLoss(at, when) | Fault::DeathOfBoth(at, when) =
        fault
    {
        rig.engine.crash_at(at, when);
        let agent = rig.agent();
        agent.accept(&desired(1, 2));
        rig.engine.died().await;
        agent.kill().await;
        rig.engine.revive();
    }
    match fault {
        Fault::DeathAndLoss(..) => rig.lose_journal(),
        Fault::DeathOfBoth(..) => rig.engine.restart(),
        Fault::LostAnswer(at, when) => rig.engine.lose_answer_at(at, when),
        Fault::None | Fault::Death(..) => {}
    }
    let agent = rig.agent();
    agent.accept(&desired(1, 2));
    let phase = agent.outcome(1).await.phase;
    agent.kill().await;
    let machine = rig.engine.machine();
    let case = format!("{next:?}, {policy}, {fault:?}: {:#?}", rig.engine.log());
    assert_eq!(machine.violations, Vec::<String>::new(), "{case}");
    // An engine that ends takes the next one with it while that may not restart: nobody knows why it ended.
    let unlucky = matches!(fault, Fault::DeathOfBoth(..)) && phase == RolledBack;
    assert!(phase == end || unlucky, "{phase}; {case}");
    let runs = if phase == Settled {
        digest(2)
    } else {
        digest(1)
    };
    let standing = machine.standing();
    assert_eq!(standing.len(), 1, "{case}");
    assert_eq!(standing.get("web"), Some(&(runs, true)), "{case}");
    let (left, _) = machine.settings("web").expect("it stands");
    assert_eq!(left, policy, "{case}");
    rig.engine.calls()
}

#[tokio::test(start_paused = true)]
async fn whatever_dies_at_any_call_one_runs_and_one_alone_is_started_by_the_engine() {
    for scene in SCENES {
        let calls = play(scene, Fault::None).await;
        assert!(calls > 0, "an update that calls nothing proves nothing");
        for fault in FAULTS {
            for index in 0..calls {
                for when in [Crash::Before, Crash::After] {
                    let fault = fault(index, when);
                    // An engine that ends takes what has no policy with it, and nobody starts that again.
                    if scene.1 != "no" || !matches!(fault, Fault::DeathOfBoth(..)) {
                        play(scene, fault).await;
                    }
                }
            }
        }
    }
}

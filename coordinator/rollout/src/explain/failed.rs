use pinion_model::{AgentId, AgentPhase, RolloutPhase};

use crate::{Member, Rollout, World};

/// Why a machine failed, what became of what ran there before, whether it
/// counts, and what tries once more.
pub(super) fn failed(world: &World, rollout: &Rollout, member: &Member, id: &AgentId) -> String {
    let failure = member
        .failure
        .as_ref()
        .map_or_else(|| "no reason was given".to_owned(), ToString::to_string);
    let (now, blame) = (aftermath(member), excuse(rollout, member));
    let next = match rollout.course() {
        RolloutPhase::RollingBack => "the rollout goes back, so it is not asked again".to_owned(),
        RolloutPhase::Aborting => "the rollout is ending, so it is not asked again".to_owned(),
        phase if phase.is_terminal() => {
            format!("`pinion agent refresh {id}` tries the stable digest once more")
        }
        _ if world.is_quarantined(rollout.digest()) => {
            "the image is quarantined, so it is not asked again before that is lifted".to_owned()
        }
        _ => format!(
            "`pinion rollout retry {} --agent {id}` tries once more",
            rollout.id
        ),
    };
    format!("{failure}{now}{blame}; {next}")
}

/// What became of what ran before.
fn aftermath(member: &Member) -> &'static str {
    match member.phase {
        Some(AgentPhase::RolledBack) if member.sick => "; its old container is back",
        Some(AgentPhase::RolledBack) => "; its old container is back and healthy",
        Some(AgentPhase::RollbackFailed) => {
            "; its old container did not come back: look at the machine first"
        }
        Some(AgentPhase::Refused) => "; nothing was touched",
        _ => "",
    }
}

/// Why the failure of a machine that was sick before counts, or does not.
fn excuse(rollout: &Rollout, member: &Member) -> &'static str {
    let lost = member.phase == Some(AgentPhase::RollbackFailed);
    if member.in_use && !member.sick && !lost {
        return "; the rollout goes round machines that are in use, so this counts against no failure budget";
    }
    match (member.sick, lost) {
        (false, _) => "",
        (true, true) if !member.acknowledged && !rollout.phase.is_terminal() => {
            "; the machine was sick before the rollout began, but a lost container halts it all the same"
        }
        (true, true) => "; the machine was sick before the rollout began",
        (true, false) => {
            "; the machine was sick before the rollout began, so this counts against no failure budget"
        }
    }
}

use super::{Verdict, View};

/// An extra wait after the stage's last machine has settled.
pub(crate) fn check(view: View<'_>) -> Verdict {
    let Some(settled) = view.stage.settled_at else {
        return Verdict::Pass;
    };
    let end = settled + view.stage.rules.bake;
    if end <= view.now {
        return Verdict::Pass;
    }
    Verdict::wait(
        format!("bake of stage {} until {end}", view.stage.rules.name),
        Some(end),
    )
}

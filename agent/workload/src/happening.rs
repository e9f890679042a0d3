//! What of two looks at a workload's containers is worth a line to a person.

use crate::{Container, Health};

/// What happened to them by itself between two looks, in words that are the
/// same each time that it happens again.
#[must_use]
pub fn noticed(before: &[&Container], now: &[&Container]) -> Vec<String> {
    let mut lines = Vec::new();
    for container in now {
        match before.iter().find(|old| old.id == container.id) {
            Some(old) => lines.extend(changed(old, container)),
            None => lines.push(appeared(before, container)),
        }
    }
    let is_gone = |old: &&&Container| !now.iter().any(|c| c.id == old.id || c.name == old.name);
    let gone = before.iter().filter(is_gone);
    lines.extend(gone.map(|old| format!("container {} is gone", old.name)));
    lines
}

fn appeared(before: &[&Container], container: &Container) -> String {
    let (name, image) = (&container.name, &container.image_reference);
    match before.iter().any(|old| old.name == *name) {
        true => format!("container {name} was replaced by one of {image}, not by the agent"),
        false => format!("container {name} appeared, of {image}"),
    }
}

fn changed(before: &Container, now: &Container) -> Option<String> {
    let name = &now.name;
    let why = match now.oom_killed {
        true => format!("exit code {}, killed for its memory", now.exit_code),
        false => format!("exit code {}", now.exit_code),
    };
    if now.restart_count > before.restart_count {
        return Some(format!(
            "container {name} was restarted by its engine ({why})"
        ));
    }
    match (before.is_up(), now.is_up()) {
        (true, false) => return Some(format!("container {name} stopped ({why})")),
        (false, true) => return Some(format!("container {name} runs again")),
        (true, true) if before.started_at != now.started_at => {
            return Some(format!("container {name} was started again"));
        }
        _ => {}
    }
    match (before.health, now.health) {
        (Health::Unhealthy, Health::Healthy) => Some(format!("container {name} is healthy again")),
        (Health::Unhealthy, _) | (_, Health::None | Health::Starting | Health::Healthy) => None,
        (_, Health::Unhealthy) => Some(format!("container {name} is unhealthy")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use pinion_model::Timestamp;

    use super::*;
    use crate::{ContainerId, ContainerState};

    fn web() -> Container {
        Container {
            id: ContainerId("1".to_owned()),
            name: "web".to_owned(),
            image_id: "image".to_owned(),
            image_reference: "ghcr.io/acme/web".to_owned(),
            repo_digests: Vec::new(),
            labels: BTreeMap::new(),
            state: ContainerState::Running,
            health: Health::Healthy,
            health_timing: None,
            restart_count: 1,
            oom_killed: false,
            exit_code: 0,
            started_at: Some(Timestamp(1)),
            restart_policy: "always".to_owned(),
            restart_retries: 0,
            auto_remove: false,
            stop_timeout: Duration::from_secs(10),
            depends_on: Vec::new(),
            claims: Vec::new(),
            podman: None,
        }
    }

    fn after(change: impl FnOnce(&mut Container)) -> Vec<String> {
        let mut now = web();
        change(&mut now);
        noticed(&[&web()], &[&now])
    }

    #[test]
    fn what_happens_to_a_container_by_itself_is_a_line() {
        let restarted = after(|c| (c.restart_count, c.exit_code) = (2, 3));
        assert_eq!(
            restarted,
            ["container web was restarted by its engine (exit code 3)"]
        );
        let killed =
            after(|c| (c.state, c.exit_code, c.oom_killed) = (ContainerState::Exited, 137, true));
        assert_eq!(
            killed,
            ["container web stopped (exit code 137, killed for its memory)"]
        );
        assert_eq!(
            after(|c| c.started_at = Some(Timestamp(2))),
            ["container web was started again"]
        );
        assert_eq!(
            after(|c| c.health = Health::Unhealthy),
            ["container web is unhealthy"]
        );
        assert_eq!(
            after(|c| c.id = ContainerId("2".to_owned())),
            ["container web was replaced by one of ghcr.io/acme/web, not by the agent"]
        );
        assert_eq!(noticed(&[&web()], &[]), ["container web is gone"]);
        assert_eq!(
            noticed(&[], &[&web()]),
            ["container web appeared, of ghcr.io/acme/web"]
        );
    }

    #[test]
    fn what_stays_as_it_is_is_none() {
        assert!(after(|_| {}).is_empty());
        assert!(after(|c| c.health = Health::Starting).is_empty());
        assert!(after(|c| c.name = "other".to_owned()).is_empty());
    }
}

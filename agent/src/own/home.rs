//! How this process was started.

use std::path::Path;

use pinion_launcher::{LAUNCHER_VARIABLE, SLOT_VARIABLE};
use pinion_workload::{ContainerId, Home, Slot};
use rustix::process::{Signal, getppid, set_parent_process_death_signal};

/// The launcher that started this process is gone.
#[derive(Debug, thiserror::Error)]
#[error("the launcher that started this agent is gone; start pinion-launcher again")]
pub struct NotAlone;

/// By the launcher, by an engine, or by hand.
#[must_use]
pub fn detect() -> Home {
    let slot = std::env::var(SLOT_VARIABLE).ok();
    if let Some(slot) = slot.as_deref().and_then(Slot::parse) {
        return Home::Slot(slot);
    }
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    container_of(&mounts).map_or(Home::Bare, Home::Container)
}

/// Has this process end with its launcher, so that there are never two agents.
///
/// # Errors
///
/// If the launcher is gone already.
pub fn end_with_launcher() -> Result<(), NotAlone> {
    let Some(launcher) = std::env::var(LAUNCHER_VARIABLE).ok() else {
        return Ok(());
    };
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        tracing::warn!(%error, "this agent would outlive its launcher");
    }
    // It may have gone before it was asked for.
    let parent = getppid().map(|pid| pid.as_raw_nonzero().to_string());
    match parent {
        Some(parent) if parent == launcher => Ok(()),
        _ => Err(NotAlone),
    }
}

/// The container whose files an engine has mounted for this process.
fn container_of(mounts: &str) -> Option<ContainerId> {
    let mut ids = mounts.lines().filter_map(|line| {
        let root = line.split(' ').nth(3)?;
        let (before, file) = root.rsplit_once('/')?;
        let of_engine = ["hostname", "hosts", "resolv.conf"].contains(&file);
        let id = Path::new(before).file_name()?.to_str()?;
        let is_id = id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit());
        (of_engine && is_id).then(|| ContainerId(id.to_owned()))
    });
    ids.next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_known_by_what_its_engine_mounts() {
        let id = "4f".repeat(32);
        let inside = format!(
            "683 655 0:63 / / rw - overlay overlay rw,lowerdir=/x\n\
             712 683 254:0 /var/lib/docker/containers/{id}/resolv.conf /etc/resolv.conf rw - ext4 /dev/vda rw\n\
             713 683 254:0 /var/lib/docker/containers/{id}/hosts /etc/hosts rw - ext4 /dev/vda rw\n"
        );
        assert_eq!(container_of(&inside), Some(ContainerId(id)));
        let outside = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n28 27 0:5 /hosts /etc/hosts rw - ext4 x rw\n";
        assert_eq!(container_of(outside), None);
    }
}

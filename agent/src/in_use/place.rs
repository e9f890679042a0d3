//! Which ports and which process are a container's, as the engine's answer about it says.

use serde_json::Value;

/// It has the machine's own network.
pub(super) fn is_on_host(inspect: &Value) -> bool {
    inspect["HostConfig"]["NetworkMode"] == "host"
}

/// Its own TCP ports that are published; of one on the machine's network, those
/// that its image or its user exposes.
pub(super) fn published_ports(inspect: &Value) -> Vec<u16> {
    let ports = match is_on_host(inspect) {
        true => &inspect["Config"]["ExposedPorts"],
        false => &inspect["NetworkSettings"]["Ports"],
    };
    let ports = ports.as_object().into_iter().flatten();
    let published = ports.filter(|(_, bindings)| {
        is_on_host(inspect) || bindings.as_array().is_some_and(|all| !all.is_empty())
    });
    let number = |port: &String| port.strip_suffix("/tcp")?.parse().ok();
    let mut numbers: Vec<u16> = published.filter_map(|(port, _)| number(port)).collect();
    numbers.sort_unstable();
    numbers
}

/// The number of its first process, as the engine's machine counts them.
pub(super) fn process(inspect: &Value) -> Option<u32> {
    let pid = inspect["State"]["Pid"].as_u64()?;
    u32::try_from(pid).ok().filter(|pid| *pid > 0)
}

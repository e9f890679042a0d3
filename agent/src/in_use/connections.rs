//! Connections to a container's published ports, counted where they end: in
//! the container's own network, by its first process.
//!
//! There they show whichever way they came, through address translation or
//! the engine's proxy. The agent must see the machine's processes: one that
//! runs in a container needs `--pid=host`, else it is not known and said so.

use std::net::IpAddr;
use std::path::PathBuf;

use pinion_workload::ContainerId;
use pinion_workload::in_use::Verdict;
use serde_json::Value;

use super::place;
use crate::driver::Driver;

/// The kernel's word for an established connection (`include/net/tcp_states.h`).
const ESTABLISHED: &str = "01";

/// Whether more than `max` connections to its published ports are open.
pub(super) async fn count<D: Driver>(driver: &D, container: &ContainerId, max: u32) -> Verdict {
    let inspect = match driver.inspect(container).await {
        Ok(inspect) => inspect,
        Err(error) => return Verdict::Unknown(error.to_string()),
    };
    let ports = place::published_ports(&inspect);
    if ports.is_empty() {
        return Verdict::Unknown("the container publishes no TCP port".to_owned());
    }
    match established(&inspect, container, &ports) {
        // Not how many: that changes all the time, and each change is written and told.
        Ok(open) if open > max as usize => Verdict::Busy(format!(
            "more than {max} open connection(s) to its published ports"
        )),
        Ok(_) => Verdict::Idle,
        Err(why) => Verdict::Unknown(why),
    }
}

fn established(inspect: &Value, container: &ContainerId, ports: &[u16]) -> Result<usize, String> {
    let process = place::process(inspect).ok_or("the engine tells no process of the container")?;
    let place = PathBuf::from(format!("/proc/{process}"));
    let read = |file: &str| {
        let path = place.join(file);
        let text = std::fs::read_to_string(&path);
        text.map_err(|error| format!("{}: {error}", path.display()))
    };
    // Where the agent does not see the machine's processes, that number may be
    // another's.
    if !read("cgroup")?.contains(&container.0) {
        return Err(format!(
            "process {process} is not the container's here: an agent in a container needs --pid=host to count connections"
        ));
    }
    let loopback_counts = place::is_on_host(inspect);
    let mut open = 0;
    for file in ["net/tcp", "net/tcp6"] {
        match read(file) {
            Ok(table) => open += in_table(&table, ports, loopback_counts),
            // A kernel without IPv6 has no such table.
            Err(_) if file == "net/tcp6" => {}
            Err(why) => return Err(why),
        }
    }
    Ok(open)
}

/// Established connections to one of the ports, as the kernel writes them
/// (`proc_net_tcp.rst`). In a network of the container's own, those from itself
/// are its health checks.
fn in_table(table: &str, ports: &[u16], loopback_counts: bool) -> usize {
    let is_one = |line: &&str| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (Some(local), Some(remote), Some(state)) =
            (fields.next(), fields.next(), fields.next())
        else {
            return false;
        };
        let port = local.rsplit_once(':').map(|(_, port)| port);
        let port = port.and_then(|port| u16::from_str_radix(port, 16).ok());
        let counts = loopback_counts || !is_loopback(remote);
        state == ESTABLISHED && counts && port.is_some_and(|port| ports.contains(&port))
    };
    table.lines().skip(1).filter(is_one).count()
}

/// Words of 32 bits in the machine's own order, in hex digits.
fn is_loopback(endpoint: &str) -> bool {
    let Some((address, _)) = endpoint.rsplit_once(':') else {
        return false;
    };
    let words = (0..address.len() / 8).map(|at| {
        let word = address.get(at * 8..at * 8 + 8);
        word.and_then(|word| u32::from_str_radix(word, 16).ok())
    });
    let bytes: Option<Vec<u8>> = words
        .map(|word| word.map(u32::to_ne_bytes))
        .collect::<Option<Vec<_>>>()
        .map(|words| words.concat());
    let Some(bytes) = bytes else { return false };
    if let Ok(four) = <[u8; 4]>::try_from(bytes.as_slice()) {
        return IpAddr::from(four).is_loopback();
    }
    match <[u8; 16]>::try_from(bytes.as_slice()) {
        Ok(sixteen) => IpAddr::from(sixteen).to_canonical().is_loopback(),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests;

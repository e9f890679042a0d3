use pinion_model::{AgentId, RolloutId};

/// A machine's place in a rollout's order: the same whenever it is asked for,
/// and another in the next rollout, so that it is not always the same machine
/// that goes first.
pub(crate) fn seed(rollout: &RolloutId, agent: &AgentId) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in rollout
        .as_str()
        .bytes()
        .chain([0])
        .chain(agent.as_str().bytes())
    {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    spread(hash)
}

/// The finaliser of splitmix64: FNV-1a alone leaves similar names close together.
fn spread(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rollout_has_an_order_of_its_own_and_keeps_it() {
        let agents: Vec<AgentId> = (0..20)
            .map(|n| format!("m{n}").parse().expect("a name"))
            .collect();
        let order = |rollout: &str| {
            let rollout: RolloutId = rollout.parse().expect("an id");
            let mut sorted = agents.clone();
            sorted.sort_by_key(|agent| seed(&rollout, agent));
            sorted
        };
        assert_eq!(order("codex-1-1"), order("codex-1-1"));
        assert_ne!(order("codex-1-1"), order("codex-1-2"));
        assert_ne!(order("codex-1-1"), agents);
    }
}

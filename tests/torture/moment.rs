//! When something is killed.

use std::time::Duration;

use anyhow::ensure;
use harness::eventually;
use harness::fleet::{Machine, names};
use rand::Rng as _;
use rand::rngs::StdRng;

use crate::invariants::Order;
use crate::size::SOON;

/// From its beginning to its end an update of one machine takes about so many milliseconds...
const UPDATE: std::ops::Range<u64> = 0..3500;
/// ... and so many from when its next container is made; start-first it is proven first.
const CUT: std::ops::Range<u64> = 0..2500;
const CHANGE: std::ops::Range<u64> = 1500..4500;

/// A moment of an update.
pub(crate) struct Moment {
    /// Counted from when the engine shows the next container: from there most can be lost.
    is_late: bool,
    millis: u64,
}

impl Moment {
    pub(crate) fn of(random: &mut StdRng, order: Order) -> Self {
        let is_late = random.random_ratio(3, 4);
        let span = match order {
            _ if !is_late => UPDATE,
            Order::StopFirst => CUT,
            Order::StartFirst => CHANGE,
        };
        Self {
            is_late,
            millis: random.random_range(span),
        }
    }

    /// Waits for it, from the release on.
    pub(crate) async fn comes(&self, machine: &Machine) -> anyhow::Result<()> {
        if self.is_late {
            eventually("the next container is made", SOON, async || {
                let containers = machine.tenant.engine().containers().await?;
                ensure!(containers.len() > 1, "{:?}", names(&containers));
                Ok(())
            })
            .await?;
        }
        tokio::time::sleep(Duration::from_millis(self.millis)).await;
        Ok(())
    }
}

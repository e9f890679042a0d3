//! The live sessions of agents.
//!
//! Owns who is connected, which of two sessions of one agent counts (the
//! newer), what each must be told next, and when an agent counts as offline.
//! Decides nothing about rollouts; what agents say goes to the ledger, and
//! what they are told comes from there.
//!
//! ```text
//!   api/session ──▶ open(agent, Hello) ──▶ Session (a stream's own state)
//!                       │ seat                 │ reports        ▲ desired, control
//!                       ▼                      ▼                │
//!                 seats: AgentId → Seat     intake ──▶ ledger ──┴ publish (reconciler)
//!                       ▲
//!                 liveness: silent or gone ──▶ Offline edges
//! ```

mod convert;
mod intake;
mod lately;
mod limits;
mod liveness;
mod seat;
mod session;
mod settings;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pinion_model::{AgentId, SessionEpoch};
use pinion_proto::v1;
use rand::Rng as _;
use tokio::sync::watch;
use tokio::time::Instant;

use self::intake::Intake;
use self::lately::Lately;
use self::seat::{Control, Ending, Place, Seat};
use crate::ledger::Ledger;

pub use self::convert::desired_state;
pub(crate) use self::session::Session;
pub use self::session::SessionError;
pub use self::settings::SessionSettings;

/// What a Welcome says of the workloads, asked for at each session's begin.
pub type Catalog = Arc<dyn Fn() -> Vec<v1::CatalogEntry> + Send + Sync>;

/// Every live session, one at most for each agent.
pub struct Sessions {
    ledger: Arc<Ledger>,
    settings: SessionSettings,
    catalog: Catalog,
    intake: Intake,
    lately: Lately,
    places: Mutex<Places>,
    /// How many streams are open, those that were told to end included.
    open: watch::Sender<usize>,
    admitting: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Places {
    by_agent: BTreeMap<AgentId, Place>,
    /// No session begins any more, and nobody who leaves counts as offline.
    draining: bool,
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions")
            .field("open", &*self.open.borrow())
            .finish_non_exhaustive()
    }
}

impl Sessions {
    /// No session yet. Observations go to `ledger`, in batches.
    #[must_use]
    pub fn new(ledger: Arc<Ledger>, settings: SessionSettings, catalog: Catalog) -> Arc<Self> {
        let intake = Intake::start(ledger.clone());
        Arc::new(Self {
            ledger,
            settings,
            catalog,
            intake,
            lately: Lately::default(),
            places: Mutex::default(),
            open: watch::Sender::new(0),
            admitting: watch::Sender::new(false),
        })
    }

    /// Lets sessions begin. The reconciler does this once the start is noted:
    /// who said Hello before that would be unknown again after it.
    pub fn admit(&self) {
        self.admitting.send_replace(true);
    }

    async fn admitted(&self) {
        let mut admitting = self.admitting.subscribe();
        admitting
            .wait_for(|admitting| *admitting)
            .await
            .map(|_| ())
            .unwrap_or_default();
    }

    /// What the sessions keep to.
    #[must_use]
    pub fn settings(&self) -> &SessionSettings {
        &self.settings
    }

    /// How many agents are connected.
    #[must_use]
    pub fn connected(&self) -> usize {
        *self.open.borrow()
    }

    /// Gives every connected agent whose desired state has changed the new
    /// one, and ends the sessions of those that were revoked or removed.
    pub fn publish(&self) {
        let places = self.places();
        self.ledger.read(|world| {
            for (agent, place) in &places.by_agent {
                match world.agents.get(agent) {
                    None => place.end(Ending::Denied(
                        "the agent was removed: enrol the machine anew".to_owned(),
                    )),
                    Some(known) if known.revoked.is_some() => {
                        place.end(Ending::Denied(
                            "the agent was revoked: enrol the machine anew".to_owned(),
                        ));
                    }
                    Some(known) if known.generation != place.generation() => {
                        place.tell(desired_state(&world.desired(agent)));
                    }
                    Some(_) => {}
                }
            }
        });
    }

    /// Ends an agent's session, if it has one, and tells it why. It may come
    /// back if it still is who it says it is.
    pub fn end(&self, agent: &AgentId, reason: impl Into<String>) {
        if let Some(place) = self.places().by_agent.get(agent) {
            place.end(Ending::Denied(reason.into()));
        }
    }

    /// What an agent said happened on its machine lately, the oldest first.
    #[must_use]
    pub fn lately(&self, agent: &AgentId) -> Vec<v1::Happening> {
        self.lately.of(agent)
    }

    /// Forgets what a machine said that was removed.
    pub fn forget(&self, agent: &AgentId) {
        self.lately.forget(agent);
    }

    /// Tells every agent to leave and to come back after a random part of
    /// `max_delay`, lets no new session begin, and waits at most `max_delay`
    /// until all have left; then the rest is cut off. Answers how many were.
    pub async fn drain(&self, max_delay: Duration) -> usize {
        {
            let mut places = self.places();
            places.draining = true;
            for place in places.by_agent.values() {
                let delay = max_delay.mul_f64(rand::rng().random::<f64>());
                place.control(Control::Drain(delay));
            }
        }
        let mut open = self.open.subscribe();
        if tokio::time::timeout(max_delay, open.wait_for(|open| *open == 0))
            .await
            .is_ok()
        {
            return 0;
        }
        let places = self.places();
        places
            .by_agent
            .values()
            .for_each(|place| place.end(Ending::ShuttingDown));
        *self.open.borrow()
    }

    /// Takes the agent's seat: a session that had it is told that it was
    /// superseded. Epochs rise for ever, since the last one is in the store.
    fn take_seat(self: &Arc<Self>, agent: &AgentId) -> Result<(Seat, seat::Inbox), SessionError> {
        let mut places = self.places();
        if places.draining {
            return Err(SessionError::Draining);
        }
        let known = self.ledger.read(|world| {
            world
                .agents
                .get(agent)
                .map(|known| (known.epoch, known.revoked.is_some()))
        });
        let stored = match known {
            None => {
                return Err(SessionError::Unknown {
                    agent: agent.clone(),
                });
            }
            Some((_, true)) => {
                return Err(SessionError::Revoked {
                    agent: agent.clone(),
                });
            }
            Some((epoch, false)) => epoch,
        };
        let before = places
            .by_agent
            .get(agent)
            .map(|place| place.epoch)
            .unwrap_or_default();
        let epoch = stored.max(before).next();
        let (place, inbox) = Place::new(epoch, Instant::now());
        if let Some(old) = places.by_agent.insert(agent.clone(), place) {
            old.end(Ending::Superseded);
        }
        self.open.send_modify(|open| *open += 1);
        metrics::gauge!("pinion_agents_connected").increment(1.0);
        Ok((Seat::new(self.clone(), agent.clone(), epoch), inbox))
    }

    /// Gives one session its desired state as it is now.
    fn tell(&self, agent: &AgentId, epoch: SessionEpoch) {
        let places = self.places();
        if let Some(place) = places
            .by_agent
            .get(agent)
            .filter(|place| place.epoch == epoch)
        {
            place.tell(
                self.ledger
                    .read(|world| desired_state(&world.desired(agent))),
            );
        }
    }

    /// The session said something.
    fn touch(&self, agent: &AgentId, epoch: SessionEpoch) {
        if let Some(place) = self
            .places()
            .by_agent
            .get_mut(agent)
            .filter(|p| p.epoch == epoch)
        {
            place.seen = Instant::now();
        }
    }

    /// The session's stream has gone.
    fn leave(&self, agent: &AgentId, epoch: SessionEpoch) {
        if let Some(place) = self
            .places()
            .by_agent
            .get_mut(agent)
            .filter(|p| p.epoch == epoch)
        {
            place.left = Some(Instant::now());
        }
        metrics::gauge!("pinion_agents_connected").decrement(1.0);
        self.open.send_modify(|open| *open -= 1);
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

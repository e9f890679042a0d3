//! An engine in memory, with the real one's rules: names are unique, a bad
//! image fails where it would, a restart starts what its policy says. It can
//! go wrong at any call and any look, and it keeps watch over what must never be:
//! two of one place running, or about to be, or a name that leads nowhere.
//!
//! Its time is tokio's, so a test that pauses that one is exact.

mod answers;
mod faults;
mod machine;
mod scene;
mod watch;

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pinion_model::{Failure, ImageRef};
use pinion_workload::probe::{Probe, ProbeAnswer};
use pinion_workload::{Container, ContainerId, ContainerState, CreateSpec, Image};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Driver, EngineError, EngineInfo, Pulled};
use crate::credentials::Credential;
use crate::room::Disk;
use crate::words::LastWords;

pub(crate) use faults::{CallFault, Crash, Defect, LookFault, ReadFault};
use faults::{Faults, no_answer};
pub(crate) use machine::{Behaviour, Machine, Need};

/// The engine.
pub(crate) struct FakeEngine {
    machine: Mutex<Machine>,
    pulls: Mutex<Pulls>,
    faults: Mutex<Faults>,
    happened: Notify,
    died: Notify,
}

#[derive(Default)]
struct Pulls {
    now: usize,
    most: usize,
}

/// A pull, until it is dropped.
struct PullUnderWay<'a>(&'a Mutex<Pulls>);

impl<'a> PullUnderWay<'a> {
    fn begin(pulls: &'a Mutex<Pulls>) -> Self {
        let mut counted = pulls.lock().unwrap_or_else(PoisonError::into_inner);
        counted.now += 1;
        counted.most = counted.most.max(counted.now);
        Self(pulls)
    }
}

impl Drop for PullUnderWay<'_> {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).now -= 1;
    }
}

impl FakeEngine {
    pub(crate) fn new() -> Self {
        Self {
            machine: Mutex::new(Machine::new()),
            pulls: Mutex::default(),
            faults: Mutex::default(),
            happened: Notify::new(),
            died: Notify::new(),
        }
    }

    /// The machine itself, to set up and to look at.
    pub(crate) fn machine(&self) -> MutexGuard<'_, Machine> {
        let mut machine = self.machine.lock().unwrap_or_else(PoisonError::into_inner);
        machine.pass_time();
        machine
    }

    /// Completes when the agent has died.
    pub(crate) async fn died(&self) {
        self.died.notified().await;
    }

    /// The engine's process answers nothing, until it is told otherwise.
    pub(crate) fn silence(&self, silent: bool) {
        self.faults().silent = silent;
        self.happened.notify_one();
    }

    /// The engine ended and is back, and no agent saw it.
    pub(crate) fn restart(&self) {
        self.machine().restart(ContainerState::Exited);
        self.happened.notify_one();
    }

    /// The most pulls that were under way at one time.
    pub(crate) fn most_pulls(&self) -> usize {
        self.pulls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .most
    }

    /// What was called, in order.
    pub(crate) fn log(&self) -> Vec<String> {
        self.faults().log.clone()
    }

    async fn read<T>(
        &self,
        call: &'static str,
        read: impl FnOnce(&mut Machine) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        self.live(call).await?;
        match self.next_read() {
            None => read(&mut self.machine()),
            Some(ReadFault::NoAnswer) => Err(no_answer(call)),
            Some(ReadFault::NotFound) => Err(EngineError::NotFound("scripted".to_owned())),
        }
    }

    /// A dead agent hears nothing any more; a silent engine answers nothing.
    async fn live(&self, call: &'static str) -> Result<(), EngineError> {
        let (dead, silent) = {
            let faults = self.faults();
            let is_away = faults.back_at.is_some_and(|at| Instant::now() < at);
            (faults.dead, faults.silent || is_away)
        };
        if dead {
            std::future::pending::<()>().await;
        }
        if silent {
            return Err(EngineError::Unknown {
                call,
                message: "connection refused".to_owned(),
            });
        }
        Ok(())
    }

    async fn change<T>(
        &self,
        call: &'static str,
        what: &str,
        change: impl FnOnce(&mut Machine) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        self.live(call).await?;
        let fault = self.next_call(format!("{call} {what}"));
        if let Some(fault) = fault {
            self.before(call, fault).await?;
        }
        let done = change(&mut self.machine());
        self.machine().watch_names();
        self.somebody_acts();
        self.happened.notify_one();
        if let Some(fault) = fault {
            self.strike(call, fault).await?;
        }
        done
    }

    fn defect(&self, line: &str) -> Option<Defect> {
        let faults = self.faults();
        let spoiled = |(calls, _): &&(String, Defect)| line.starts_with(calls);
        faults.defects.iter().find(spoiled).map(|found| found.1)
    }

    /// A call without a result, which may be spoiled.
    async fn act(
        &self,
        call: &'static str,
        what: &str,
        change: impl FnOnce(&mut Machine) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let defect = self.defect(&format!("{call} {what}"));
        let instead = |machine: &mut Machine| match defect {
            None => change(machine),
            Some(Defect::Idles) => Ok(()),
            Some(Defect::Fails) => Err(EngineError::Refused {
                call,
                message: "read-only file system".to_owned(),
            }),
        };
        self.change(call, what, instead).await
    }

    async fn die(&self) {
        self.faults().dead = true;
        self.died.notify_one();
        std::future::pending::<()>().await;
    }
}

impl Driver for FakeEngine {
    async fn info(&self) -> Result<EngineInfo, EngineError> {
        let info = EngineInfo {
            version: "20.10.24".to_owned(),
            api_version: "1.41".to_owned(),
            os: "linux".to_owned(),
            architecture: "amd64".to_owned(),
            host_name: "tenant".to_owned(),
            root_dir: PathBuf::new(),
        };
        self.read("info", |_| Ok(info)).await
    }

    async fn containers(&self) -> Result<Vec<Container>, EngineError> {
        self.live("list containers").await?;
        self.look().await
    }

    async fn inspect(&self, id: &ContainerId) -> Result<serde_json::Value, EngineError> {
        self.read("inspect", |machine| machine.inspect(id)).await
    }

    async fn written(&self, id: &ContainerId) -> Result<u64, EngineError> {
        self.read("inspect with its size", |machine| machine.written(id))
            .await
    }

    async fn image(&self, reference: &str) -> Result<Image, EngineError> {
        self.read("inspect image", |machine| machine.image(reference))
            .await
    }

    async fn pull(
        &self,
        image: &ImageRef,
        _: Option<&Credential>,
        _: &Disk,
    ) -> Result<Pulled, Failure> {
        let reference = image.to_string();
        let under_way = PullUnderWay::begin(&self.pulls);
        let pulled = self
            .change("pull", &reference, |machine| Ok(machine.pull(image)))
            .await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        drop(under_way);
        pulled.unwrap_or_else(|error| {
            Err(Failure::new(
                pinion_model::FailureKind::Engine,
                error.to_string(),
            ))
        })
    }

    async fn tag(&self, image: &str, repository: &str, tag: &str) -> Result<(), EngineError> {
        let name = format!("{repository}:{tag}");
        self.act("tag", &name, |machine| machine.tag(image, &name))
            .await
    }

    async fn untag(&self, reference: &str) -> Result<(), EngineError> {
        self.act("untag", reference, |machine| machine.untag(reference))
            .await
    }

    async fn create(&self, name: &str, spec: &CreateSpec) -> Result<ContainerId, EngineError> {
        self.change("create", name, |machine| machine.create(name, &spec.body))
            .await
    }

    async fn set_restart_policy(
        &self,
        id: &ContainerId,
        policy: &str,
        retries: i64,
    ) -> Result<(), EngineError> {
        self.act("update", &format!("{id} {policy}"), |machine| {
            machine.set_policy(id, policy, retries)
        })
        .await
    }

    async fn stop(&self, id: &ContainerId, _: Duration) -> Result<(), EngineError> {
        self.act("stop", &id.0, |machine| machine.stop(id)).await
    }

    async fn start(&self, id: &ContainerId) -> Result<(), EngineError> {
        self.change("start", &id.0, |machine| machine.start(id))
            .await
    }

    async fn rename(&self, id: &ContainerId, name: &str) -> Result<(), EngineError> {
        self.change("rename", &format!("{id} {name}"), |machine| {
            machine.rename(id, name)
        })
        .await
    }

    async fn remove(&self, id: &ContainerId) -> Result<(), EngineError> {
        self.change("remove", &id.0, |machine| machine.remove(id))
            .await
    }

    async fn last_words(&self, id: &ContainerId) -> Result<LastWords, EngineError> {
        self.change("logs", &id.0, |machine| machine.last_words(id))
            .await
    }

    async fn archive(
        &self,
        id: &ContainerId,
        path: &str,
        _: &std::path::Path,
    ) -> Result<(), EngineError> {
        Err(EngineError::NotFound(format!("{path} in {id}")))
    }

    async fn probe(&self, id: &ContainerId, probe: &Probe) -> ProbeAnswer {
        let answer = self.read("probe", |machine| machine.probe(id, probe)).await;
        answer.unwrap_or_else(|error| ProbeAnswer::Unknown(error.to_string()))
    }

    async fn changed(&self) {
        self.happened.notified().await;
    }
}

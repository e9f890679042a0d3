//! A container is recreated on its new image.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures_util::StreamExt as _;
use pinion_agent::driver::Driver as _;
use pinion_workload::ContainerId;
use serde_json::{Value, json};

use super::cases::Case;
use super::comparable::comparable;
use super::machine::Machine;
use crate::api::{ask, create, respecified};

/// Containers in work at one time.
const AT_ONCE: usize = 6;

/// One container before and after, comparable.
pub(super) struct Seen {
    pub(super) old: Value,
    pub(super) new: Value,
}

impl Machine {
    /// All of them, some at a time; what went wrong is told of each.
    pub(super) async fn recreate_all<'a>(
        &self,
        cases: &'a [Case],
    ) -> anyhow::Result<BTreeMap<&'a str, Seen>> {
        let seen = futures_util::stream::iter(cases).map(|case| async move {
            match self.recreate(case).await {
                Ok(seen) => Ok((case.name, seen)),
                Err(error) => Err(format!("{}: {error:#}", case.name)),
            }
        });
        let seen: Vec<_> = seen.buffer_unordered(AT_ONCE).collect().await;
        let failed: Vec<_> = seen.iter().filter_map(|one| one.as_ref().err()).collect();
        ensure!(failed.is_empty(), "{failed:#?}");
        Ok(seen.into_iter().flatten().collect())
    }

    /// As the agent does it: the next one beside the old one, then in its place.
    async fn recreate(&self, case: &Case) -> anyhow::Result<Seen> {
        let driver = &self.driver;
        let old = self.make(case).await?;
        let before = driver.inspect(&old).await?;
        let next = self.replace(case, &old).await?;
        let after = driver.inspect(&next).await?;
        if case.name.ends_with("-pinned") {
            same_ports(&before, &after)?;
        }
        driver.stop(&next, Duration::ZERO).await?;
        driver.remove(&next).await?;
        driver.remove(&old).await?;
        Ok(Seen {
            old: self.comparable(&before, &old)?,
            new: self.comparable(&after, &next)?,
        })
    }

    /// As its user made it.
    async fn make(&self, case: &Case) -> anyhow::Result<ContainerId> {
        let made = create(&self.tenant, case.name, &case.body)?;
        for (network, endpoint) in &case.connect {
            let body = json!({ "Container": case.name, "EndpointConfig": endpoint });
            let path = format!("/networks/{network}/connect");
            ask(&self.tenant, "POST", &path, &body)?;
        }
        if case.started {
            self.driver.start(&made).await?;
        }
        Ok(made)
    }

    async fn replace(&self, case: &Case, old: &ContainerId) -> anyhow::Result<ContainerId> {
        let (name, driver) = (case.name, &self.driver);
        let [_, new] = self.versions(case.runs);
        let spec = respecified(driver, old, &new.image, &new.reference).await?;
        let next = driver.create(&format!("{name}.next.g1a1"), &spec).await?;
        driver.stop(old, Duration::ZERO).await?;
        driver.rename(old, &format!("{name}.prev.g1a1")).await?;
        driver.rename(&next, name).await?;
        if case.started {
            driver.start(&next).await?;
        }
        Ok(next)
    }

    fn comparable(&self, inspect: &Value, id: &ContainerId) -> anyhow::Result<Value> {
        let machine = self.tenant.directory();
        let names = [
            (&*id.0, "<id>"),
            (&id.0[..12], "<id>"),
            (&self.lender.0, "<lender>"),
            (&self.lender.0[..12], "<lender>"),
            (&self.front, "<front>"),
            (&self.directory, "<dir>"),
            (machine.to_str().context("a plain path")?, "<machine>"),
        ];
        comparable(inspect, &names)
    }
}

fn same_ports(before: &Value, after: &Value) -> anyhow::Result<()> {
    let ports = |inspect: &Value| {
        let list = inspect["NetworkSettings"]["Ports"]["8080/tcp"].as_array();
        list.and_then(|list| list.first())
            .map(|port| port["HostPort"].clone())
    };
    ensure!(
        ports(before).is_some() && ports(before) == ports(after),
        "published on {:?}, and now on {:?}",
        ports(before),
        ports(after)
    );
    Ok(())
}

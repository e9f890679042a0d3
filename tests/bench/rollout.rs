//! From promotion to four healthy containers.

use std::time::{Duration, Instant};

use harness::fleet::{CONTAINER, Fleet, REPOSITORY};
use harness::{App, World};

use crate::sample::Sample;
use crate::{DEADLINE, by_hand, table};

const PORT: u16 = 9080;
const NAME: &str = "by-hand";

pub(crate) async fn measure(world: &World, fleet: &Fleet, rounds: usize) -> anyhow::Result<()> {
    for machine in &fleet.machines {
        by_hand::run(machine, NAME, &fleet.v1.reference(), PORT)?;
    }
    let (mut ours, mut theirs) = (Sample::default(), Sample::default());
    for round in 0..rounds {
        ours.add(by_pinion(world, fleet, round).await?);
        theirs.add(by_docker(world, fleet, round).await?);
    }
    let row = |title: &str, sample: &Sample| {
        let ratio = sample.ratio_to(&theirs);
        [title.to_owned(), sample.to_string(), ratio]
    };
    let rows = [
        row("Pinion", &ours),
        row(
            "`docker pull; docker stop; docker rm; docker run` on each",
            &theirs,
        ),
    ];
    let head = [
        "updated by",
        "to four healthy containers",
        "against by hand",
    ];
    table::print("Four machines at once, a fresh small image", head, &rows);
    Ok(())
}

async fn by_pinion(world: &World, fleet: &Fleet, round: usize) -> anyhow::Result<Duration> {
    let image = fleet
        .registry
        .push(world, REPOSITORY, &App::new(&format!("pinion-{round}")))?;
    let begun = Instant::now();
    let rollout = fleet.promote(&image)?;
    all_run(fleet, CONTAINER, &image.digest).await?;
    let taken = begun.elapsed();
    fleet
        .rollout_is(&rollout, "ROLLOUT_PHASE_COMPLETED", DEADLINE)
        .await?;
    Ok(taken)
}

async fn by_docker(world: &World, fleet: &Fleet, round: usize) -> anyhow::Result<Duration> {
    let image = fleet
        .registry
        .push(world, REPOSITORY, &App::new(&format!("by-hand-{round}")))?;
    let reference = image.reference();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let image = &reference;
        let each = |machine| scope.spawn(move || by_hand::replace(machine, NAME, image, PORT));
        let threads: Vec<_> = fleet.machines.iter().map(each).collect();
        threads.into_iter().try_for_each(|thread| {
            thread
                .join()
                .expect("a thread that replaces does not panic")
        })
    })?;
    all_run(fleet, NAME, &image.digest).await?;
    Ok(begun.elapsed())
}

/// Waits until every engine shows the container healthy at that digest; looks every 5 ms.
async fn all_run(fleet: &Fleet, name: &str, digest: &str) -> anyhow::Result<()> {
    let begun = Instant::now();
    for machine in &fleet.machines {
        loop {
            let container = machine.tenant.engine().container(name).await;
            if container.is_ok_and(|container| container.runs(digest)) {
                break;
            }
            anyhow::ensure!(
                begun.elapsed() < DEADLINE,
                "{name} on {} is not healthy",
                machine.tenant.name()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    Ok(())
}

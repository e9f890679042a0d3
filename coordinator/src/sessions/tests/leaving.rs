//! How sessions end, and what becomes of the agent's presence.

use std::time::Duration;

use pinion_proto::v1::session_response;
use pinion_rollout::Presence;
use tonic::Code;

use super::bench::*;

#[tokio::test(start_paused = true)]
async fn a_silent_agent_is_offline_after_three_heartbeats_and_a_living_one_is_not() {
    let bench = Bench::start().await;
    tokio::spawn(bench.sessions.clone().watch_liveness());
    let (_, mut silent) = bench.connect("a").await;
    let (_, living) = bench.connect("b").await;
    let began = tokio::time::Instant::now();
    tokio::spawn(async move {
        loop {
            living.heartbeat().await;
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
    });
    until(&bench, "a", Presence::Offline).await;
    let after = began.elapsed();
    assert!(
        (Duration::from_secs(30)..Duration::from_secs(34)).contains(&after),
        "{after:?}"
    );
    silent.ends_with(Code::DeadlineExceeded, "heartbeat").await;
    assert_eq!(presence(&bench, "b"), Presence::Online);
}

#[tokio::test(start_paused = true)]
async fn a_quick_reconnect_does_not_flap_and_a_slow_one_is_offline() {
    let bench = Bench::start().await;
    tokio::spawn(bench.sessions.clone().watch_liveness());
    let (_, mut agent) = bench.connect("a").await;
    agent.leave();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let (_, mut agent) = bench.connect("a").await;
    let since = bench
        .ledger
        .read(|world| world.agents[&name("a")].presence_since);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(presence(&bench, "a"), Presence::Online);
    assert_eq!(
        bench
            .ledger
            .read(|world| world.agents[&name("a")].presence_since),
        since
    );
    agent.leave();
    until(&bench, "a", Presence::Offline).await;
}

#[tokio::test(start_paused = true)]
async fn a_drain_sends_everybody_away_lets_nobody_in_and_takes_nobody_offline() {
    let bench = Bench::start().await;
    tokio::spawn(bench.sessions.clone().watch_liveness());
    let (_, mut a) = bench.connect("a").await;
    let (_, mut b) = bench.connect("b").await;
    let sessions = bench.sessions.clone();
    let drain = tokio::spawn(async move { sessions.drain(Duration::from_secs(30)).await });
    for agent in [&mut a, &mut b] {
        agent.desired().await;
        let session_response::Message::Drain(drain) = agent.message().await else {
            panic!("no drain")
        };
        assert!(drain.delay.expect("a delay").seconds < 30);
        agent.leave();
    }
    assert_eq!(drain.await.expect("drained"), 0);
    let mut late = bench.stream("a");
    late.hello(0).await;
    late.ends_with(Code::Unavailable, "shutting down").await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(presence(&bench, "a"), Presence::Online);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_leave_in_a_drain_is_cut_off() {
    let bench = Bench::start().await;
    let (_, mut agent) = bench.connect("a").await;
    assert_eq!(bench.sessions.drain(Duration::from_secs(30)).await, 1);
    agent.ends_with(Code::Unavailable, "shutting down").await;
}

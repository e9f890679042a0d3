//! Named strategies over gRPC: who may do what, what is refused and where, and
//! that a rollout keeps the version that it began with.

use pinion_coordinator::config::Config;
use pinion_coordinator::store::CutPolicy;
use pinion_model::Role;
use pinion_proto::v1;
use pinion_proto::v1::pin_service_client::PinServiceClient;
use pinion_proto::v1::rollout_service_client::RolloutServiceClient;
use pinion_proto::v1::strategy_service_client::StrategyServiceClient;
use tonic::Code;
use tonic::transport::Channel;

use crate::services::promotion;
use crate::support::{Server, on_disk};

const PERMISSION_DENIED: i32 = 7;

type Strategies = StrategyServiceClient<Channel>;

/// A strategy that soaks for so many seconds.
fn soak(seconds: i64) -> v1::Strategy {
    v1::Strategy {
        soak: Some(prost_types::Duration { seconds, nanos: 0 }),
        ..Default::default()
    }
}

fn put(name: &str, strategy: v1::Strategy) -> v1::PutStrategyRequest {
    v1::PutStrategyRequest {
        name: name.into(),
        strategy: Some(strategy),
        reason: "so it is better".into(),
    }
}

async fn get(strategies: &mut Strategies, name: &str, version: u32) -> Option<v1::NamedStrategy> {
    let name = name.into();
    let request = v1::GetStrategyRequest { name, version };
    let answer = strategies.get_strategy(request).await.ok()?;
    answer.into_inner().strategy
}

/// Number, soak and source of one version.
fn says(named: Option<v1::NamedStrategy>) -> Option<(u32, i64, v1::StrategySource)> {
    let version = named?.version?;
    let source = version.source();
    let strategy = version.strategy?;
    Some((strategy.version, strategy.soak?.seconds, source))
}

async fn channel(server: &Server) -> Channel {
    let admin = server.operator("alice", Role::Admin).await;
    server.channel(server.running.operators, Some(&admin)).await
}

fn configured(seconds: u32) -> Config {
    let text = format!(
        "[registry.ghcr]\nprefix = \"ghcr.io/a\"\n\
         [workload.codex]\nimages = {{ ghcr = \"codex\" }}\nstrategy = \"careful\"\n\
         [strategy.careful]\nsoak = \"{seconds}s\"\n"
    );
    Config::parse("c.toml", &text, None).expect("a configuration")
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_read_strategies_and_operators_change_them() {
    let server = Server::start().await;
    for role in [Role::Viewer, Role::Promoter, Role::Operator, Role::Admin] {
        let caller = server.operator(&role.to_string(), role).await;
        let channel = server
            .channel(server.running.operators, Some(&caller))
            .await;
        for (method, changes) in [
            ("GetStrategy", false),
            ("ListStrategies", false),
            ("ListStrategyVersions", false),
            ("PutStrategy", true),
            ("RemoveStrategy", true),
        ] {
            let path = format!("/pinion.v1.StrategyService/{method}");
            let denied = server.code(&channel, None, &path).await == Some(PERMISSION_DENIED);
            let may = !changes || matches!(role, Role::Operator | Role::Admin);
            assert_eq!(denied, !may, "{role} {method}");
        }
    }
    let agent = server.agent("machine").await;
    let channel = server.channel(server.running.agents, Some(&agent)).await;
    let path = "/pinion.v1.StrategyService/GetStrategy";
    assert_eq!(
        server.code(&channel, None, path).await,
        Some(PERMISSION_DENIED)
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_says_who_put_it_when_and_why() {
    let server = Server::start().await;
    let mut strategies = StrategyServiceClient::new(channel(&server).await);
    for (seconds, changed) in [(60, true), (60, false), (90, true), (120, true)] {
        let answer = strategies.put_strategy(put("mine", soak(seconds))).await;
        assert_eq!(
            answer.expect("put").into_inner().changed,
            changed,
            "{seconds}"
        );
    }
    let newest = get(&mut strategies, "mine", 0).await.expect("the newest");
    assert_eq!((newest.versions, newest.removed.clone()), (3, None));
    let by = newest.version.clone().and_then(|version| version.put);
    let by = by.expect("an attribution");
    assert_eq!(by.reason, "so it is better");
    assert_eq!(by.actor.expect("somebody").name, "alice");
    assert!(by.at.expect("an instant").seconds > 1_700_000_000);
    assert_eq!(says(Some(newest)), Some((3, 120, v1::StrategySource::Api)));
    let first = get(&mut strategies, "mine", 1).await;
    assert_eq!(says(first), Some((1, 60, v1::StrategySource::Api)));
    let (mut numbers, mut token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListStrategyVersionsRequest {
            name: "mine".into(),
            page_size: 2,
            page_token: token,
        };
        let page = strategies.list_strategy_versions(request).await;
        let page = page.expect("a page").into_inner();
        let page_numbers = page.versions.iter().filter_map(|of| of.strategy.as_ref());
        numbers.extend(page_numbers.map(|strategy| strategy.version));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(numbers, [3, 2, 1]);
    server.stop().await;
}

/// The names of every page of two.
async fn names(strategies: &mut Strategies, removed: bool) -> Vec<String> {
    let (mut names, mut token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListStrategiesRequest {
            page_size: 2,
            page_token: token,
            removed,
        };
        let page = strategies.list_strategies(request).await;
        let page = page.expect("a page").into_inner();
        assert!(page.strategies.len() <= 2);
        names.extend(page.strategies.into_iter().map(|named| named.name));
        token = page.next_page_token;
        if token.is_empty() {
            return names;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_was_removed_is_used_no_more_and_can_still_be_read() {
    let server = Server::start().await;
    let channel = channel(&server).await;
    let mut strategies = StrategyServiceClient::new(channel.clone());
    for name in ["a", "b", "c", "d"] {
        let made = strategies.put_strategy(put(name, soak(60))).await;
        made.expect("put");
    }
    let remove = |name: &str| v1::RemoveStrategyRequest {
        name: name.into(),
        reason: "nobody uses it".into(),
    };
    strategies
        .remove_strategy(remove("b"))
        .await
        .expect("removed");
    let again = strategies.remove_strategy(remove("b")).await;
    assert_eq!(again.expect_err("gone").code(), Code::NotFound);
    assert_eq!(
        names(&mut strategies, false).await,
        ["a", "c", "d", "default"]
    );
    let all = names(&mut strategies, true).await;
    assert_eq!(all, ["a", "b", "c", "d", "default"]);
    assert_eq!(get(&mut strategies, "b", 0).await, None);
    let kept = get(&mut strategies, "b", 1).await.expect("it can be read");
    let removed = kept.removed.expect("it says so");
    assert_eq!(removed.reason, "nobody uses it");
    let mut pins = PinServiceClient::new(channel.clone());
    pins.promote_pin(promotion('1')).await.expect("promoted");
    let error = RolloutServiceClient::new(channel)
        .start_rollout(start("b", 0))
        .await
        .expect_err("it is not used any more");
    let words = "strategy.name: must be one of a, c, d, default; got \"b\"";
    assert!(error.message().contains(words), "{error}");
    server.stop().await;
}

fn start(name: &str, version: u32) -> v1::StartRolloutRequest {
    let strategy = v1::Strategy {
        name: name.into(),
        version,
        ..Default::default()
    };
    v1::StartRolloutRequest {
        workload: "codex".into(),
        strategy: Some(strategy),
        ..Default::default()
    }
}

/// Name, version and soak that a rollout began with.
fn began_with(rollout: Option<v1::Rollout>) -> (String, u32, i64) {
    let strategy = rollout.and_then(|rollout| rollout.strategy);
    let strategy = strategy.expect("a rollout has a strategy");
    let soak = strategy.soak.map_or(0, |soak| soak.seconds);
    (strategy.name, strategy.version, soak)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_keeps_the_version_that_it_began_with() {
    let server = Server::start().await;
    server.agent("machine").await;
    let channel = channel(&server).await;
    let mut strategies = StrategyServiceClient::new(channel.clone());
    let mut pins = PinServiceClient::new(channel.clone());
    let mut rollouts = RolloutServiceClient::new(channel);
    pins.promote_pin(promotion('1')).await.expect("promoted");
    strategies
        .put_strategy(put("mine", soak(60)))
        .await
        .expect("put");
    let first = rollouts.start_rollout(start("mine", 0)).await;
    let first = first.expect("started").into_inner().rollout;
    let id = first.clone().expect("one").id;
    assert_eq!(began_with(first), ("mine".into(), 1, 60));

    strategies
        .put_strategy(put("mine", soak(90)))
        .await
        .expect("put");
    let request = v1::GetRolloutRequest { rollout: id };
    let same = rollouts.get_rollout(request).await.expect("it goes on");
    assert_eq!(
        began_with(same.into_inner().rollout),
        ("mine".into(), 1, 60)
    );

    pins.promote_pin(promotion('2')).await.expect("promoted");
    let second = rollouts.start_rollout(start("mine", 0)).await;
    let second = second.expect("started").into_inner().rollout;
    assert_eq!(second.clone().expect("one").replaces, "codex-1-1");
    assert_eq!(second.clone().expect("one").selected, 1);
    assert_eq!(began_with(second), ("mine".into(), 2, 90));

    pins.promote_pin(promotion('3')).await.expect("promoted");
    let older = rollouts.start_rollout(start("mine", 1)).await;
    let older = older.expect("started").into_inner().rollout;
    assert_eq!(began_with(older), ("mine".into(), 1, 60));
    let error = rollouts.start_rollout(start("mine", 3)).await;
    let error = error.expect_err("there is no such version");
    let words = "strategy.version: must be 1 to 2, the versions of mine; got 3";
    assert!(error.message().contains(words), "{error}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_with_every_path() {
    let server = Server::start().await;
    let mut strategies = StrategyServiceClient::new(channel(&server).await);
    let senseless = v1::Strategy {
        min_healthy: soak(400).soak,
        quarantine_after: 1,
        max_in_flight: Some(v1::Amount {
            amount: Some(v1::amount::Amount::Count(0)),
        }),
        stages: vec![v1::StageSpec {
            cohort: Some(v1::stage_spec::Cohort::Percent(200)),
            ..Default::default()
        }],
        ..Default::default()
    };
    let unreadable = v1::Strategy {
        offline: 99,
        spread_by: "region".into(),
        after: vec!["Codex".into()],
        stages: vec![v1::StageSpec::default()],
        ..Default::default()
    };
    let long = v1::PutStrategyRequest {
        reason: "x".repeat(5_000),
        ..put("mine", soak(60))
    };
    let nothing = v1::PutStrategyRequest {
        strategy: None,
        ..put("mine", soak(60))
    };
    for (request, code, paths) in [
        (
            put("mine", senseless),
            Code::InvalidArgument,
            &[
                "strategy.min_healthy: ",
                "strategy.max_in_flight: ",
                "strategy.stages[0].percent: ",
            ][..],
        ),
        (
            put("mine", unreadable),
            Code::InvalidArgument,
            &[
                "strategy.stages[0].cohort: ",
                "strategy.offline: 99 ",
                "strategy.after[0]: ",
            ],
        ),
        (put("Mine", soak(60)), Code::InvalidArgument, &["name: "]),
        (nothing, Code::InvalidArgument, &["strategy: is missing"]),
        (long, Code::InvalidArgument, &["reason: "]),
        (
            put("default", soak(60)),
            Code::FailedPrecondition,
            &["default stands in the coordinator's configuration"],
        ),
    ] {
        let error = strategies.put_strategy(request).await.expect_err("refused");
        assert_eq!(error.code(), code, "{error}");
        for path in paths {
            assert!(error.message().contains(path), "{path}: {error}");
        }
    }
    assert_eq!(get(&mut strategies, "mine", 0).await, None);
    let request = v1::GetStrategyRequest {
        name: "default".into(),
        version: 7,
    };
    let error = strategies.get_strategy(request).await.expect_err("no 7");
    assert_eq!(error.code(), Code::NotFound);
    assert!(error.message().contains("versions 1 to 1"), "{error}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_put_and_what_is_configured_survive_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let policy = CutPolicy {
        decisions: 3,
        ..CutPolicy::default()
    };
    let open = || on_disk(dir.path(), policy);
    let server = Server::start_on(configured(60), open().await).await;
    let mut strategies = StrategyServiceClient::new(channel(&server).await);
    let first = get(&mut strategies, "careful", 0).await;
    let configuration = v1::StrategySource::Configuration;
    assert_eq!(says(first), Some((1, 60, configuration)));
    for seconds in [10, 20] {
        let made = strategies.put_strategy(put("mine", soak(seconds))).await;
        made.expect("put");
    }
    drop(strategies);
    server.stop().await;

    // The same file: nothing new. Another: the next version, and no more.
    for (seconds, wanted) in [(60, (1, 60)), (90, (2, 90)), (90, (2, 90))] {
        let server = Server::start_on(configured(seconds), open().await).await;
        let mut strategies = StrategyServiceClient::new(channel(&server).await);
        let now = get(&mut strategies, "careful", 0).await;
        assert_eq!(says(now), Some((wanted.0, wanted.1, configuration)));
        let mine = get(&mut strategies, "mine", 0).await;
        assert_eq!(says(mine), Some((2, 20, v1::StrategySource::Api)));
        let mine = get(&mut strategies, "mine", 1).await;
        assert_eq!(says(mine), Some((1, 10, v1::StrategySource::Api)));
        drop(strategies);
        server.stop().await;
    }

    let built_in = Config::load(None, None).expect("the built-in configuration");
    let server = Server::start_on(built_in, open().await).await;
    let mut strategies = StrategyServiceClient::new(channel(&server).await);
    assert_eq!(get(&mut strategies, "careful", 0).await, None);
    let gone = get(&mut strategies, "careful", 2).await.expect("it was");
    let removed = gone.removed.expect("it says so");
    let by = removed.actor.map(|actor| actor.name);
    assert_eq!(by, Some("system".into()));
    assert_eq!(names(&mut strategies, false).await, ["default", "mine"]);
    drop(strategies);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_rolls_out_by_the_newest_version_of_the_workloads_strategy() {
    let mut config = configured(60);
    let codex = "codex".parse().expect("a name");
    config.workloads.get_mut(&codex).expect("codex").auto = true;
    let server = Server::start_with(config).await;
    server.agent("machine").await;
    let channel = channel(&server).await;
    let mut pins = PinServiceClient::new(channel.clone());
    let promoted = pins.promote_pin(promotion('1')).await.expect("promoted");
    let request = v1::GetRolloutRequest {
        rollout: promoted.into_inner().rollout,
    };
    let rollout = RolloutServiceClient::new(channel)
        .get_rollout(request)
        .await;
    let rollout = rollout.expect("it began").into_inner().rollout;
    assert_eq!(began_with(rollout), ("careful".into(), 1, 60));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_says_of_how_many_machines_its_shares_are_and_what_it_waits_for() {
    let server = Server::start().await;
    for name in ["a", "b", "c"] {
        server.agent(name).await;
    }
    let channel = channel(&server).await;
    let mut pins = PinServiceClient::new(channel.clone());
    let mut rollouts = RolloutServiceClient::new(channel);
    pins.promote_pin(promotion('1')).await.expect("promoted");
    let asked = |supersede: v1::Supersede| v1::StartRolloutRequest {
        workload: "codex".into(),
        strategy: Some(v1::Strategy {
            prefetch: Some(v1::PrefetchSpec::default()),
            supersede: supersede.into(),
            stages: vec![v1::StageSpec {
                cohort: Some(v1::stage_spec::Cohort::Count(2)),
                ..Default::default()
            }],
            ..Default::default()
        }),
        ..Default::default()
    };
    let plan = v1::PlanRolloutRequest {
        workload: "codex".into(),
        ..Default::default()
    };
    let plan = rollouts.plan_rollout(plan).await.expect("a plan");
    assert_eq!(plan.into_inner().selected, 3);
    let first = rollouts.start_rollout(asked(v1::Supersede::Replace)).await;
    let first = first.expect("started").into_inner().rollout.expect("one");
    assert_eq!((first.selected, first.left_out), (3, 1));
    let pass = first.prefetch.expect("a pass ahead");
    // Nobody is there to pull: whether that is seen before the answer is left open.
    assert_eq!((pass.agents, pass.prefetched), (2, 0));
    pins.promote_pin(promotion('2')).await.expect("promoted");
    let second = rollouts.start_rollout(asked(v1::Supersede::Queue)).await;
    let second = second.expect("queued").into_inner().rollout.expect("one");
    assert_eq!(second.phase, i32::from(v1::RolloutPhase::Queued));
    assert_eq!((second.waits_for, second.selected), (first.id, 0));
    server.stop().await;
}

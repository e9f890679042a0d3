//! What is measured: buckets, and a line of help for each series.

use anyhow::Context as _;
use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Seconds, from a commit on a fast disk to a plan of a large fleet.
const SECONDS: [f64; 12] = [
    0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0,
];
const SIZES: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 64.0, 256.0, 1024.0];

/// Starts measuring, for the whole process.
pub(super) fn install() -> anyhow::Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .and_then(|builder| {
            builder.set_buckets_for_metric(Matcher::Suffix("_per_commit".to_owned()), &SIZES)
        })
        .and_then(PrometheusBuilder::install_recorder)
        .context("start measuring")?;
    describe();
    Ok(handle)
}

fn describe() {
    describe_counter!(
        "pinion_calls_total",
        "gRPC calls that were let in, by method."
    );
    describe_counter!(
        "pinion_calls_refused_total",
        "Calls and connections that were refused."
    );
    describe_counter!(
        "pinion_calls_refused_unaudited_total",
        "Refused calls that came too fast for the audit log."
    );
    describe_counter!(
        "pinion_handshakes_refused_total",
        "Connections that ended before anything was served on them, by listener and reason."
    );
    describe_counter!("pinion_store_commits_total", "Commits to the store.");
    describe_counter!(
        "pinion_store_failures_total",
        "Commits that the store failed."
    );
    describe_histogram!(
        "pinion_store_commit_seconds",
        Unit::Seconds,
        "How long a commit took."
    );
    describe_histogram!(
        "pinion_observations_per_commit",
        "Observations committed together."
    );
    describe_histogram!(
        "pinion_plan_seconds",
        Unit::Seconds,
        "How long planning took."
    );
    describe_counter!(
        "pinion_check_samples_total",
        "Samples of checks between stages, by outcome."
    );
    describe_counter!("pinion_reports_total", "Reports that agents sent.");
    describe_counter!(
        "pinion_reports_ignored_total",
        "Reports that could not be understood."
    );
    describe_counter!(
        "pinion_sessions_slowed_total",
        "Times an agent sent faster than it may."
    );
    describe_gauge!(
        "pinion_agents_connected",
        "Agents with a live session on this coordinator."
    );
    describe_gauge!("pinion_agents", "Enrolled agents, by presence.");
    describe_gauge!("pinion_agents_held", "Agents that rollouts go round.");
    describe_gauge!(
        "pinion_workloads_drifted",
        "Workloads on machines that no longer run their pin."
    );
    describe_gauge!("pinion_rollouts", "Rollouts that are not over, by phase.");
}

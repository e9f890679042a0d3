//! Settings of the program: those of its user, and those of its image.

use serde_json::json;

use super::{Case, case, rich};

pub(super) fn config() -> Vec<Case> {
    vec![
        case("plain", json!({})),
        case(
            "env-own",
            json!({ "Env": ["MINE=1", "EMPTY=", "SPACES= a b "] }),
        ),
        case("env-over-image", json!({ "Env": ["PATH=/mine:/"] })),
        case("env-removed", json!({ "Env": ["APP_MODE"] })),
        case(
            "label-own",
            json!({ "Labels": { "mine": "yes", "empty": "" } }),
        ),
        case(
            "label-over-image",
            json!({ "Labels": { "molecule.workflow.run_id": "mine" } }),
        ),
        case("command", json!({ "Cmd": ["/app", "extra"] })),
        case("entrypoint", json!({ "Entrypoint": ["/app"] })),
        case(
            "entrypoint-and-command",
            json!({ "Entrypoint": ["/app"], "Cmd": ["one", "two"] }),
        ),
        case(
            "entrypoint-cleared",
            json!({ "Entrypoint": [""], "Cmd": ["/app", "x"] }),
        ),
        case(
            "entrypoint-empty",
            json!({ "Entrypoint": [], "Cmd": ["/app", "x"] }),
        ),
        case("user", json!({ "User": "12:34" })),
        case("workdir", json!({ "WorkingDir": "/mine" })),
        case("stop-signal", json!({ "StopSignal": "SIGINT" })),
        case("stop-timeout", json!({ "StopTimeout": 3 })),
        case("stop-timeout-zero", json!({ "StopTimeout": 0 })),
        case("hostname", json!({ "Hostname": "chosen" })),
        case(
            "hostname-and-domain",
            json!({ "Hostname": "chosen", "Domainname": "tenants.example" }),
        ),
        case(
            "tty",
            json!({ "Tty": true, "OpenStdin": true, "StdinOnce": true }),
        ),
        case(
            "attached",
            json!({ "AttachStdin": true, "AttachStdout": true, "AttachStderr": true }),
        ),
        case(
            "health-none",
            json!({ "Healthcheck": { "Test": ["NONE"] } }),
        ),
        case(
            "health-part",
            json!({ "Healthcheck": { "Interval": 3_000_000_000u64, "StartPeriod": 5_000_000_000u64 } }),
        ),
        case(
            "health-own",
            json!({ "Healthcheck": { "Test": ["CMD-SHELL", "/app health"], "Retries": 9, "Timeout": 4_000_000_000u64 } }),
        ),
        case(
            "exposed",
            json!({ "ExposedPorts": { "9000/udp": {}, "8080/tcp": {} } }),
        ),
        Case {
            started: false,
            ..case(
                "never-started",
                json!({ "Env": ["MINE=1"], "Volumes": { "/data": {} } }),
            )
        },
    ]
}

/// What only an image set follows the new image; what a user set does not.
pub(super) fn rich_images() -> Vec<Case> {
    let own = json!({
        "User": "9", "WorkingDir": "/mine", "StopSignal": "SIGUSR1", "Env": ["APP_VERSION=mine"], "Cmd": ["mine"],
        "Labels": { "of": "mine" }, "Volumes": { "/of-v1": {}, "/mine": {} }, "ExposedPorts": { "9/tcp": {} },
        "Healthcheck": { "Test": ["CMD", "/app", "health"], "Interval": 7_000_000_000u64, "Timeout": 7_000_000_000u64, "StartPeriod": 7_000_000_000u64, "Retries": 7 },
    });
    let kept = json!({
        "User": "1", "WorkingDir": "/v1", "Env": ["APP_VERSION=v1"],
        "Labels": { "of": "v1", "pinion.keep": "User, WorkingDir,Env.APP_VERSION,Labels.of,Healthcheck,ExposedPorts.81/tcp" },
    });
    let published =
        json!({ "HostConfig": { "PortBindings": { "81/tcp": [{ "HostPort": "8581" }] } } });
    vec![
        rich("image-all", json!({})),
        rich("image-and-own", own),
        rich("image-values-kept", kept),
        rich("image-port-published", published),
        rich(
            "image-check-part",
            json!({ "Healthcheck": { "Retries": 8 } }),
        ),
        rich(
            "image-check-off",
            json!({ "Healthcheck": { "Test": ["NONE"] } }),
        ),
        rich(
            "image-entrypoint-own",
            json!({ "Entrypoint": ["/app", "own"] }),
        ),
        rich(
            "image-entrypoint-cleared",
            json!({ "Entrypoint": [""], "Cmd": ["/app"] }),
        ),
    ]
}

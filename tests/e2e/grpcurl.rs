//! A client that is not ours does the main job by reflection, in the README's words.

use anyhow::{Context as _, ensure};
use harness::command::{command, output};
use harness::fleet::{REPOSITORY, WORKLOAD};
use harness::{App, Fleet, FleetSpec, scenario};
use serde_json::{Value, json};

use crate::support::SOON;

/// `buf` from the path, else where `make check` put it.
fn buf() -> anyhow::Result<std::path::PathBuf> {
    if harness::needs::on_path("buf") {
        return Ok("buf".into());
    }
    let tree = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let buf = tree.join("target/tools/node_modules/.bin/buf");
    ensure!(
        buf.exists(),
        "buf is missing; `make test` puts it to {}",
        buf.display()
    );
    Ok(buf)
}

struct Buf<'a> {
    fleet: &'a Fleet,
    program: std::path::PathBuf,
}

impl Buf<'_> {
    fn run(&self, args: &[&str], path: &str) -> anyhow::Result<(i32, String)> {
        let coordinator = &self.fleet.coordinator;
        let url = format!("https://{}{path}", coordinator.listeners().operators);
        let mut curl = command(&self.program);
        curl.args(["curl", "--protocol", "grpc", "--cacert"])
            .arg(coordinator.pki("ca.pem"))
            .arg("--cert")
            .arg(coordinator.pki("operators/admin.pem"))
            .arg("--key")
            .arg(coordinator.pki("operators/admin.key"))
            .args(args)
            .arg(url);
        let ended = output(&mut curl)?;
        let code = ended.status.code().context("buf was killed")?;
        let text = [ended.stdout, ended.stderr].concat();
        Ok((code, String::from_utf8_lossy(&text).into_owned()))
    }

    fn call(&self, method: &str, request: &Value) -> anyhow::Result<String> {
        let (code, text) = self.run(
            &["-d", &request.to_string()],
            &format!("/pinion.v1.{method}"),
        )?;
        ensure!(code == 0, "{method} ended with {code}: {text}");
        Ok(text)
    }
}

#[test]
fn buf_curl_lists_promotes_starts_and_watches() {
    scenario(async |world| {
        let configuration =
            harness::fleet::CONFIGURATION.replace("rollout = \"auto\"", "rollout = \"manual\"");
        let fleet = Fleet::start(
            world,
            &FleetSpec {
                configuration,
                ..FleetSpec::of(2)
            },
        )
        .await?;
        let buf = Buf {
            fleet: &fleet,
            program: buf()?,
        };
        let (code, methods) = buf.run(&["--list-methods"], "")?;
        ensure!(
            code == 0 && methods.contains("pinion.v1.RolloutService/StartRollout"),
            "{methods}"
        );
        ensure!(methods.contains("pinion.v1.AuditService"), "{methods}");

        let v2 = fleet.registry.push(world, REPOSITORY, &App::new("v2"))?;
        let pin = json!({"workload": WORKLOAD, "digest": v2.digest, "source_sha": v2.source_sha});
        buf.call("PinService/PromotePin", &pin)?;
        let started = buf.call(
            "RolloutService/StartRollout",
            &json!({"workload": WORKLOAD}),
        )?;
        let started: Value = serde_json::from_str(&started)?;
        let id = started["rollout"]["id"]
            .as_str()
            .context("a rollout has an id")?;
        let watched = buf.call("RolloutService/WatchRollout", &json!({"rollout": id}))?;
        ensure!(watched.contains("ROLLOUT_PHASE_COMPLETED"), "{watched}");
        for machine in &fleet.machines {
            machine.runs(&v2.digest, SOON).await?;
        }
        Ok(())
    });
}

#[test]
fn bad_input_over_grpc_has_the_right_code_and_names_the_field() {
    const INVALID_ARGUMENT: i32 = 3;
    const NOT_FOUND: i32 = 5;
    scenario(async |world| {
        let fleet = Fleet::start(world, &FleetSpec::of(0)).await?;
        let buf = Buf {
            fleet: &fleet,
            program: buf()?,
        };
        let digest = format!("sha256:{}", "1".repeat(64));
        let sha = "2".repeat(40);
        let promote = "PinService/PromotePin";
        let cases = [
            (
                promote,
                json!({"workload": WORKLOAD, "digest": "sha256:1", "source_sha": sha}),
                INVALID_ARGUMENT,
                "digest",
            ),
            (
                promote,
                json!({"workload": WORKLOAD, "digest": digest, "source_sha": "2222222"}),
                INVALID_ARGUMENT,
                "source_sha",
            ),
            (
                promote,
                json!({"workload": "nobody", "digest": digest, "source_sha": sha}),
                NOT_FOUND,
                "nobody",
            ),
            (
                "RolloutService/GetRollout",
                json!({"rollout": "nobody-1-1"}),
                NOT_FOUND,
                "nobody-1-1",
            ),
            (
                "FleetService/GetAgent",
                json!({"agent": "nobody"}),
                NOT_FOUND,
                "nobody",
            ),
        ];
        for (method, request, status, word) in cases {
            let path = format!("/pinion.v1.{method}");
            let (code, text) = buf.run(&["-d", &request.to_string()], &path)?;
            // buf ends with eight times the code of gRPC.
            ensure!(code == status * 8, "{method} {request}: {code} {text}");
            ensure!(text.contains(word), "{method} does not name {word}: {text}");
        }
        Ok(())
    });
}

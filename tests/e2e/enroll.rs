//! How a machine gets its identity, and how it does not.

use std::process::Output;

use anyhow::ensure;
use harness::agent::{ANYWHERE, Setup, try_enrol};
use harness::fleet::CONFIGURATION;
use harness::tls::{self, Authority};
use harness::{Agent, Cli, Coordinator, Tenant, World, eventually, scenario};
use pinion_proto::token::EnrollmentToken;
use tokio::io::AsyncReadExt as _;

use crate::support::SOON;

async fn coordinator(world: &World) -> anyhow::Result<(Coordinator, Cli)> {
    let coordinator = Coordinator::start(world, CONFIGURATION, &[]).await?;
    let cli = Cli::admin(&coordinator)?;
    Ok((coordinator, cli))
}

#[test]
fn a_hundred_machines_at_once_get_one_certificate_from_a_token_for_one() {
    scenario(async |world| {
        let (_coordinator, cli) = coordinator(world).await?;
        let tenant = Tenant::start(world, 1).await?;
        let token = cli.enrolment_token("only-one", &[])?;
        let outputs = std::thread::scope(|scope| {
            let enrol = |number: usize| {
                let state = tenant.directory().join(format!("state-{number}"));
                try_enrol(&tenant, &token, &state, &[])
            };
            let threads: Vec<_> = (0..100)
                .map(|number| scope.spawn(move || enrol(number)))
                .collect();
            let joined = threads
                .into_iter()
                .map(|thread| thread.join().expect("no panic"));
            joined.collect::<anyhow::Result<Vec<Output>>>()
        })?;
        let enrolled = outputs
            .iter()
            .filter(|output| output.status.success())
            .count();
        ensure!(
            enrolled == 1,
            "{enrolled} of 100 were enrolled: {}",
            said(&outputs)
        );
        let agents = cli.json(&["agent", "list"])?.to_string();
        ensure!(agents.contains("only-one"), "{agents}");
        Ok(())
    });
}

fn said(outputs: &[Output]) -> String {
    let last = outputs
        .last()
        .map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
    last.unwrap_or_default()
}

#[test]
fn a_token_for_another_name_or_a_wrong_one_is_refused_and_audited() {
    scenario(async |world| {
        let (_coordinator, cli) = coordinator(world).await?;
        let tenant = Tenant::start(world, 1).await?;
        let token = cli.enrolment_token("t1", &[])?;
        let try_with = |token: &str, state: &str, more: &[&str]| {
            try_enrol(&tenant, token, &tenant.directory().join(state), more)
        };
        let mut wrong = EnrollmentToken::decode(&token)?;
        wrong.secret = "no-such-secret-at-all-000000000000".into();
        let refused = try_with(&wrong.encode(), "wrong", &[])?;
        ensure!(!refused.status.success(), "a wrong secret enrolled");
        let text = String::from_utf8_lossy(&refused.stderr).into_owned();
        ensure!(!text.contains(&wrong.secret), "the secret was told: {text}");

        ensure!(
            try_with(&token, "right", &[])?.status.success(),
            "the right one was refused"
        );
        let taken = try_with(&token, "another-key", &[])?;
        ensure!(!taken.status.success(), "another key used the token");

        eventually("the refusals are audited", SOON, async || {
            let audit = cli.output(&["audit", "list"])?;
            let audit = String::from_utf8_lossy(&audit.stdout).to_lowercase();
            ensure!(audit.contains("enroll"), "{audit}");
            Ok(())
        })
        .await
    });
}

#[test]
fn a_token_of_another_authority_is_refused_by_the_machine() {
    scenario(async |world| {
        let (_coordinator, cli) = coordinator(world).await?;
        let tenant = Tenant::start(world, 1).await?;
        let mut token = EnrollmentToken::decode(&cli.enrolment_token("t1", &[])?)?;
        token.ca_sha256 = "0".repeat(64);
        let refused = try_enrol(
            &tenant,
            &token.encode(),
            &tenant.directory().join("state"),
            &[],
        )?;
        ensure!(!refused.status.success(), "it trusted another authority");
        Ok(())
    });
}

#[test]
fn a_revoked_agent_gets_no_session_any_more() {
    scenario(async |world| {
        let (_coordinator, cli) = coordinator(world).await?;
        let tenant = Tenant::start(world, 1).await?;
        let token = cli.enrolment_token("t1", &[])?;
        let setup = Setup {
            allow: vec![ANYWHERE.into()],
            credentials: Vec::new(),
            config: None,
            environment: Vec::new(),
            launched: false,
        };
        let mut agent = Agent::start(&tenant, &token, &setup).await?;
        online(&cli, true).await?;

        cli.json(&["agent", "revoke", "t1", "--reason", "stolen"])?;
        online(&cli, false).await?;
        agent.kill()?;
        agent.launch(&tenant)?;
        harness::wait::throughout(
            "it stays away",
            std::time::Duration::from_secs(3),
            async || {
                ensure!(
                    cli.agent("t1")?["presence"] != "PRESENCE_ONLINE",
                    "a revoked agent is online"
                );
                Ok(())
            },
        )
        .await
    });
}

async fn online(cli: &Cli, wanted: bool) -> anyhow::Result<()> {
    eventually(&format!("t1 is online: {wanted}"), SOON, async || {
        let presence = &cli.agent("t1")?["presence"];
        ensure!((presence == "PRESENCE_ONLINE") == wanted, "{presence}");
        Ok(())
    })
    .await
}

#[test]
fn a_certificate_of_a_foreign_authority_ends_in_a_tls_alert() {
    scenario(async |world| {
        let (coordinator, cli) = coordinator(world).await?;
        let foreign = world.subdirectory("foreign")?;
        let leaf = Authority::new(&foreign, "somebody else")?.issue(world.address().into())?;
        let (certificate, key) = leaf.write(&foreign, "client")?;
        let cli = cli.with_certificate(certificate, key);
        let refused = cli.output(&["pin", "list"])?;
        ensure!(refused.status.code() == Some(1), "{refused:?}");

        // In TLS 1.3 the client's handshake ends before the server has judged its certificate.
        let config = tls::client_with(&coordinator.pki("ca.pem"), &leaf)?;
        let mut stream = tls::connect(coordinator.listeners().agents, config).await?;
        let refused = stream
            .read_u8()
            .await
            .expect_err("a foreign certificate was let in");
        let inner = refused
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        ensure!(
            matches!(inner, Some(rustls::Error::AlertReceived(_))),
            "{refused:?}"
        );
        Ok(())
    });
}

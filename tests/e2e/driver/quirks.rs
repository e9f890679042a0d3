//! Settings that an engine refuses, changes or loses when they are sent back as it shows them.

use anyhow::{Context as _, ensure};
use harness::fleet::REPOSITORY;
use harness::{App, Auth, Registry, Tenant, scenario};
use pinion_agent::driver::Driver as _;
use serde_json::{Value, json};

use crate::api::{ask, create, differences, driver, image_of, pull, respecified, settings};

/// What a user asked for, and what may differ afterwards.
fn cases() -> Vec<(&'static str, Value)> {
    vec![
        ("plain", json!({})),
        (
            "host-network",
            json!({ "HostConfig": { "NetworkMode": "host" } }),
        ),
        (
            "no-network",
            json!({ "HostConfig": { "NetworkMode": "none" } }),
        ),
        ("host-uts", json!({ "HostConfig": { "UTSMode": "host" } })),
        ("host-pid", json!({ "HostConfig": { "PidMode": "host" } })),
        (
            "chosen-name",
            json!({ "Hostname": "chosen", "HostConfig": { "NetworkMode": "front" } }),
        ),
        (
            "lent-network",
            json!({ "HostConfig": { "NetworkMode": "container:lender" } }),
        ),
        (
            "lent-ipc",
            json!({ "HostConfig": { "IpcMode": "container:lender" } }),
        ),
        (
            "volumes-from",
            json!({ "HostConfig": { "VolumesFrom": ["lender:ro"] } }),
        ),
        (
            "linked",
            json!({ "HostConfig": { "Links": ["lender:db"] } }),
        ),
        (
            "all-ports",
            json!({ "HostConfig": { "PublishAllPorts": true } }),
        ),
        (
            "any-port",
            json!({
                "ExposedPorts": { "80/tcp": {} }, "HostConfig": { "PortBindings": { "80/tcp": [{ "HostPort": "" }] } },
            }),
        ),
        (
            "no-entrypoint",
            json!({ "Entrypoint": [""], "Cmd": ["/app", "x"] }),
        ),
        ("own-entrypoint", json!({ "Entrypoint": ["/app"] })),
        ("no-check", json!({ "Healthcheck": { "Test": ["NONE"] } })),
        ("removed-env", json!({ "Env": ["APP_MODE"] })),
    ]
}

#[test]
fn what_the_engine_would_refuse_or_lose_comes_back_as_it_was() {
    scenario(async |world| {
        let registry = Registry::start(world, "registry", Auth::None).await?;
        let tenant = Tenant::start(world, 1).await?;
        let driver = driver(&tenant).await?;
        let reference = image_of(&registry.push(world, REPOSITORY, &App::new("v1"))?)?;
        let image = pull(&driver, &reference, None).await?;
        ask(
            &tenant,
            "POST",
            "/networks/create",
            &json!({ "Name": "front" }),
        )?;
        let name = reference.to_string();
        let lender = json!({ "Image": name, "Volumes": { "/lent": {} }, "HostConfig": { "IpcMode": "shareable" } });
        create(&tenant, "lender", &lender)?;
        ask(&tenant, "POST", "/containers/lender/start", &json!({}))?;

        for (case, mut body) in cases() {
            body["Image"] = json!(name);
            let old = create(&tenant, case, &body)?;
            // The engine fills some settings in at the first start only.
            ask(
                &tenant,
                "POST",
                &format!("/containers/{case}/start"),
                &json!({}),
            )
            .context(case)?;
            ask(
                &tenant,
                "POST",
                &format!("/containers/{case}/stop?t=0"),
                &json!({}),
            )
            .context(case)?;
            let spec = respecified(&driver, &old, &image, &reference)
                .await
                .context(case)?;
            driver.rename(&old, &format!("{case}.prev")).await?;
            let next = driver.create(case, &spec).await.context(case)?;
            driver.start(&next).await.context(case)?;
            driver
                .stop(&next, std::time::Duration::ZERO)
                .await
                .context(case)?;
            let (old, new) = (driver.inspect(&old).await?, driver.inspect(&next).await?);
            let differing = differences(&shown(&old, &image.config), &shown(&new, &image.config));
            ensure!(differing.is_empty(), "{case}: {differing:#?}");
            driver.remove(&next).await?;
        }
        Ok(())
    });
}

/// A reference by id or name is the same; so is a link, whose parent is called otherwise now.
fn shown(inspect: &Value, _image: &Value) -> Value {
    let mut shown = settings(inspect);
    for link in shown["HostConfig"]["Links"]
        .as_array_mut()
        .into_iter()
        .flatten()
    {
        let words = link.as_str().unwrap_or_default().to_owned();
        *link = json!(words.replace(".prev", ""));
    }
    shown["HostConfig"]["VolumesFrom"] =
        json!(shown["HostConfig"]["VolumesFrom"].as_array().map(Vec::len));
    shown
}

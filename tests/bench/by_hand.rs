//! What a person types on a machine instead.

use anyhow::Context as _;
use harness::command::run_command;
use harness::fleet::Machine;

/// `docker ARGS` on the machine's own engine, with the agent's registry login.
pub(crate) fn docker(machine: &Machine, args: &[&str]) -> anyhow::Result<String> {
    let config = machine.agent.docker_config();
    let login = config.parent().context("config.json is in a directory")?;
    run_command(machine.tenant.docker_command(login).args(args))
}

/// `pull`, `stop`, `rm`, `run`, each as a command of its own.
pub(crate) fn replace(machine: &Machine, name: &str, image: &str, port: u16) -> anyhow::Result<()> {
    docker(machine, &["pull", "--quiet", image])?;
    docker(machine, &["stop", name])?;
    docker(machine, &["rm", name])?;
    run(machine, name, image, port)
}

/// Runs a container that Pinion is told to leave alone.
pub(crate) fn run(machine: &Machine, name: &str, image: &str, port: u16) -> anyhow::Result<()> {
    let publish = format!("{port}:8080");
    let args = [
        "run",
        "--detach",
        "--name",
        name,
        "--publish",
        &publish,
        "--restart",
        "always",
        "--label",
        "pinion.ignore=true",
        image,
    ];
    docker(machine, &args).map(drop)
}

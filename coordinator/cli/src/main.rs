//! `pinion`: the operator's command.

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::process::ExitCode {
    pinion_cli::run().await
}

/// Why a text is not a probe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// It begins with none of the three words.
    #[error("{0:?} is not a probe; allowed: {ALLOWED}")]
    Kind(String),
    /// The port is not one.
    #[error(
        "{0:?} is not a port: a number from 1 to 65535 without sign or zero in front; allowed: {ALLOWED}"
    )]
    Port(String),
    /// The path cannot stand in a request.
    #[error(
        "{0:?} is not a path: it begins with a slash and has no spaces, no `#` and only ASCII; allowed: {ALLOWED}"
    )]
    Path(String),
    /// The command is empty, or would need a shell.
    #[error(
        "{0:?} is not a command: words with one space between them, without a shell's signs; \
         with those, a JSON list such as exec:[\"/app\",\"check it\"]; allowed: {ALLOWED}"
    )]
    Command(String),
}

const ALLOWED: &str = "tcp:PORT, http:PORT[/PATH], exec:PROGRAM [ARGUMENT…]";

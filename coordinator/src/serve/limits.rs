use rustix::process::{Resource, getrlimit, setrlimit};

/// Open files that a small fleet can do with.
const FEW: u64 = 4096;

/// Lets this process have as many open files as it may: each agent is one. The
/// usual limit of 1,024 is for programs that use `select`.
pub(super) fn raise_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
    if let Some(files) = getrlimit(Resource::Nofile)
        .current
        .filter(|files| *files < FEW)
    {
        tracing::warn!(
            files,
            "few open files are allowed, and each agent takes one: raise LimitNOFILE"
        );
    }
}

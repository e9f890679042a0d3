//! Volumes of every kind.

use serde_json::json;

use super::{Case, case, host};

pub(super) fn volumes(dir: &str) -> Vec<Case> {
    vec![
        host(
            "bind",
            json!({ "Binds": [format!("{dir}:/bound:ro"), format!("{dir}:/twice:rw,private")] }),
        ),
        host(
            "named",
            json!({ "Binds": ["kept:/kept", "kept:/again:ro"] }),
        ),
        case(
            "anonymous",
            json!({ "Volumes": { "/data": {}, "/more/": {} } }),
        ),
        host("anonymous-bind", json!({ "Binds": ["/bare"] })),
        host(
            "anonymous-mount",
            json!({ "Mounts": [{ "Type": "volume", "Target": "/sourceless" }] }),
        ),
        host(
            "anonymous-mount-with-options",
            json!({ "Mounts": [{
            "Type": "volume", "Target": "/sourceless",
            "VolumeOptions": { "NoCopy": true, "Labels": { "mine": "yes" } },
        }] }),
        ),
        host(
            "mount-named",
            json!({ "Mounts": [{ "Type": "volume", "Source": "kept", "Target": "/kept" }] }),
        ),
        host(
            "mount-bind",
            json!({ "Mounts": [{
            "Type": "bind", "Source": dir, "Target": "/bound", "ReadOnly": true, "BindOptions": { "Propagation": "private" },
        }] }),
        ),
        host(
            "mount-tmpfs",
            json!({ "Mounts": [{ "Type": "tmpfs", "Target": "/scratch", "TmpfsOptions": { "SizeBytes": 1_048_576, "Mode": 448 } }] }),
        ),
        host(
            "tmpfs",
            json!({ "Tmpfs": { "/scratch": "size=1m,mode=700" } }),
        ),
        host("volumes-from", json!({ "VolumesFrom": ["lender"] })),
        case(
            "volumes-from-and-own",
            json!({ "Volumes": { "/own": {} }, "HostConfig": { "VolumesFrom": ["lender:ro"], "Binds": ["kept:/kept"] } }),
        ),
        host(
            "volume-driver",
            json!({ "VolumeDriver": "local", "Binds": ["kept:/kept"] }),
        ),
    ]
}

//! Limits, rights, and mixtures of everything.

use serde_json::json;

use super::{Case, case, host};

pub(super) fn limits() -> Vec<Case> {
    vec![
        host(
            "memory",
            json!({ "Memory": 67_108_864, "MemorySwap": 134_217_728, "MemoryReservation": 33_554_432, "MemorySwappiness": 10 }),
        ),
        host("cpu", json!({ "CpuShares": 512, "CpusetCpus": "0" })),
        host("cpu-nano", json!({ "NanoCpus": 500_000_000 })),
        host(
            "cpu-quota",
            json!({ "CpuPeriod": 100_000, "CpuQuota": 50_000 }),
        ),
        host("pids", json!({ "PidsLimit": 50 })),
        host(
            "ulimits",
            json!({ "Ulimits": [{ "Name": "nofile", "Soft": 1000, "Hard": 2000 }] }),
        ),
        host(
            "oom",
            json!({ "OomScoreAdj": 100, "OomKillDisable": false }),
        ),
        host("shm", json!({ "ShmSize": 33_554_432 })),
        host(
            "log-options",
            json!({ "LogConfig": { "Type": "json-file", "Config": { "max-size": "1m", "max-file": "2" } } }),
        ),
        host("log-none", json!({ "LogConfig": { "Type": "none" } })),
        host(
            "restart-always",
            json!({ "RestartPolicy": { "Name": "always" } }),
        ),
        host(
            "restart-unless-stopped",
            json!({ "RestartPolicy": { "Name": "unless-stopped" } }),
        ),
        host(
            "restart-on-failure",
            json!({ "RestartPolicy": { "Name": "on-failure", "MaximumRetryCount": 4 } }),
        ),
        host("cgroup-parent", json!({ "CgroupParent": "/mine" })),
    ]
}

pub(super) fn security() -> Vec<Case> {
    vec![
        host(
            "capabilities",
            json!({ "CapAdd": ["NET_ADMIN"], "CapDrop": ["CHOWN", "MKNOD"] }),
        ),
        host(
            "no-new-privileges",
            json!({ "SecurityOpt": ["no-new-privileges"] }),
        ),
        host(
            "seccomp-off",
            json!({ "SecurityOpt": ["seccomp=unconfined"] }),
        ),
        host(
            "paths-unmasked",
            json!({ "MaskedPaths": [], "ReadonlyPaths": [] }),
        ),
        host(
            "paths-own",
            json!({ "MaskedPaths": ["/proc/kcore"], "ReadonlyPaths": ["/proc/bus"] }),
        ),
        host("read-only", json!({ "ReadonlyRootfs": true })),
        host(
            "devices",
            json!({ "Devices": [{ "PathOnHost": "/dev/null", "PathInContainer": "/dev/mine", "CgroupPermissions": "r" }] }),
        ),
        host(
            "device-rules",
            json!({ "DeviceCgroupRules": ["c 42:* rmw"] }),
        ),
        host("groups", json!({ "GroupAdd": ["5", "6"] })),
        host(
            "sysctls",
            json!({ "Sysctls": { "net.ipv4.ip_unprivileged_port_start": "1024" } }),
        ),
        host("init", json!({ "Init": true })),
        host("init-off", json!({ "Init": false })),
        host("userns-host", json!({ "UsernsMode": "host" })),
        host("cgroupns-private", json!({ "CgroupnsMode": "private" })),
    ]
}

pub(super) fn mixtures(dir: &str) -> Vec<Case> {
    let database = json!({
        "Env": ["POSTGRES_DB=app"], "Labels": { "com.example.tier": "db" }, "Hostname": "db", "StopTimeout": 5, "StopSignal": "SIGINT",
        "Volumes": { "/var/lib/data": {} },
        "HostConfig": {
            "NetworkMode": "front", "Binds": [format!("{dir}:/etc/app:ro"), "kept:/backup"], "RestartPolicy": { "Name": "unless-stopped" },
            "Memory": 67_108_864, "ShmSize": 67_108_865, "PortBindings": { "8080/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "8700" }] },
        },
        "NetworkingConfig": { "EndpointsConfig": { "front": { "Aliases": ["database"], "IPAMConfig": { "IPv4Address": "10.77.0.30" } } } },
    });
    let worker = json!({
        "Entrypoint": ["/app"], "Cmd": ["work", "--fast"], "User": "1000:1000", "WorkingDir": "/work", "Tty": true,
        "Healthcheck": { "Test": ["NONE"] },
        "HostConfig": {
            "Init": true, "CapDrop": ["ALL"], "SecurityOpt": ["no-new-privileges"], "ReadonlyRootfs": true, "Tmpfs": { "/tmp": "" },
            "VolumesFrom": ["lender"], "IpcMode": "container:lender", "Links": ["lender:lender-alias"],
        },
    });
    vec![
        Case {
            connect: vec![("side", json!({ "Aliases": ["db-side"] }))],
            ..case("mixture-database", database)
        },
        case("mixture-worker", worker),
    ]
}

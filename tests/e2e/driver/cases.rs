//! Containers as users make them: one option or mixture each, all of what must survive.

use serde_json::{Value, json};

/// Which image a case runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runs {
    /// One with few settings.
    Plain,
    /// One that has a setting of its own for everything that an image can set.
    Rich,
}

/// One container.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// What it is about; its name.
    pub(crate) name: &'static str,
    /// Its image.
    pub(crate) runs: Runs,
    /// What its user asked for.
    pub(crate) body: Value,
    /// Networks that it was connected to afterwards.
    pub(crate) connect: Vec<(&'static str, Value)>,
    /// It runs when it is replaced.
    pub(crate) started: bool,
}

fn case(name: &'static str, body: Value) -> Case {
    Case {
        name,
        runs: Runs::Plain,
        body,
        connect: Vec::new(),
        started: true,
    }
}

fn host(name: &'static str, host: Value) -> Case {
    case(name, json!({ "HostConfig": host }))
}

fn rich(name: &'static str, body: Value) -> Case {
    Case {
        runs: Runs::Rich,
        ..case(name, body)
    }
}

/// All of them. `dir` is a directory of the machine, `front` the id of that network.
pub(crate) fn all(dir: &str, front: &str) -> Vec<Case> {
    let mut all = config();
    all.extend(rich_images());
    all.extend(networks(front));
    all.extend(ports());
    all.extend(volumes(dir));
    all.extend(limits());
    all.extend(security());
    all.extend(mixtures(dir));
    all
}

fn config() -> Vec<Case> {
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
fn rich_images() -> Vec<Case> {
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

fn networks(front: &str) -> Vec<Case> {
    let endpoint = |network: &str, endpoint: Value| json!({ "HostConfig": { "NetworkMode": network }, "NetworkingConfig": { "EndpointsConfig": { network: endpoint } } });
    let mut with_mac = endpoint(
        "front",
        json!({ "IPAMConfig": { "IPv4Address": "10.77.0.12" } }),
    );
    with_mac["MacAddress"] = json!("02:42:0a:4d:00:99");
    let mut named = endpoint("front", json!({ "Aliases": ["chosen", "www"] }));
    named["Hostname"] = json!("chosen");
    vec![
        host("net-host", json!({ "NetworkMode": "host" })),
        host("net-none", json!({ "NetworkMode": "none" })),
        host("net-bridge", json!({ "NetworkMode": "bridge" })),
        host("net-user", json!({ "NetworkMode": "front" })),
        host("net-by-id", json!({ "NetworkMode": front })),
        case(
            "net-host-named",
            json!({ "Hostname": "chosen", "HostConfig": { "NetworkMode": "host" } }),
        ),
        case(
            "net-static",
            endpoint(
                "front",
                json!({ "IPAMConfig": { "IPv4Address": "10.77.0.10" } }),
            ),
        ),
        case(
            "net-aliases",
            endpoint("front", json!({ "Aliases": ["www", "web.internal"] })),
        ),
        case("net-aliases-as-hostname", named),
        case(
            "net-links",
            endpoint("front", json!({ "Links": ["lender:db"] })),
        ),
        case(
            "net-driver-opts",
            endpoint(
                "front",
                json!({ "DriverOpts": { "com.example.mine": "1" } }),
            ),
        ),
        case("net-mac", json!({ "MacAddress": "02:42:ac:11:00:99" })),
        case("net-mac-static", with_mac),
        Case {
            connect: vec![
                (
                    "back",
                    json!({ "Aliases": ["db"], "IPAMConfig": { "IPv4Address": "10.78.0.9" } }),
                ),
                ("side", json!({ "Aliases": ["s"] })),
            ],
            ..case(
                "net-three",
                endpoint(
                    "front",
                    json!({ "Aliases": ["www"], "IPAMConfig": { "IPv4Address": "10.77.0.11" } }),
                ),
            )
        },
        Case {
            connect: vec![("back", json!({}))],
            ..case("net-bridge-and-back", json!({}))
        },
        host("net-lent", json!({ "NetworkMode": "container:lender" })),
        host("ipc-lent", json!({ "IpcMode": "container:lender" })),
        host("pid-lent", json!({ "PidMode": "container:lender" })),
        host("ipc-host", json!({ "IpcMode": "host" })),
        host("ipc-shareable", json!({ "IpcMode": "shareable" })),
        host("pid-host", json!({ "PidMode": "host" })),
        host("uts-host", json!({ "UTSMode": "host" })),
        host("linked", json!({ "Links": ["lender:db", "lender:other"] })),
        host(
            "dns",
            json!({ "Dns": ["10.77.0.53"], "DnsSearch": ["tenants.example"], "DnsOptions": ["ndots:2"] }),
        ),
        host(
            "extra-hosts",
            json!({ "ExtraHosts": ["other:10.1.2.3", "gw:host-gateway"] }),
        ),
    ]
}

fn ports() -> Vec<Case> {
    let any = json!({ "8080/tcp": [{ "HostPort": "" }] });
    let pinned = json!({ "pinion.pin-ports": "true" });
    vec![
        host(
            "port-fixed",
            json!({ "PortBindings": { "8080/tcp": [{ "HostPort": "8500" }] } }),
        ),
        host(
            "port-on-address",
            json!({ "PortBindings": { "8080/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "8501" }] } }),
        ),
        case(
            "port-of-its-own",
            json!({
                "ExposedPorts": { "9/udp": {} }, "HostConfig": { "PortBindings": { "9/udp": [{ "HostPort": "8502" }, { "HostPort": "8503" }] } },
            }),
        ),
        host("port-any", json!({ "PortBindings": any })),
        host(
            "port-range",
            json!({ "PortBindings": { "8080/tcp": [{ "HostPort": "8600-8609" }] } }),
        ),
        host("port-all", json!({ "PublishAllPorts": true })),
        case(
            "port-any-pinned",
            json!({ "Labels": pinned, "HostConfig": { "PortBindings": any } }),
        ),
        case(
            "port-all-pinned",
            json!({ "Labels": pinned, "HostConfig": { "PublishAllPorts": true } }),
        ),
    ]
}

fn volumes(dir: &str) -> Vec<Case> {
    vec![
        host(
            "bind",
            json!({ "Binds": [format!("{dir}:/bound:ro"), format!("{dir}:/twice:rw,rslave")] }),
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
        host("anonymous-bind-read-only", json!({ "Binds": ["/bare:ro"] })),
        host(
            "anonymous-mount",
            json!({ "Mounts": [{ "Type": "volume", "Target": "/sourceless" }] }),
        ),
        host(
            "anonymous-mount-with-options",
            json!({ "Mounts": [{
            "Type": "volume", "Target": "/sourceless", "ReadOnly": true,
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
            "Type": "bind", "Source": dir, "Target": "/bound", "ReadOnly": true, "BindOptions": { "Propagation": "rslave" },
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

fn limits() -> Vec<Case> {
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

fn security() -> Vec<Case> {
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

fn mixtures(dir: &str) -> Vec<Case> {
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

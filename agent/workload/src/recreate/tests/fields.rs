//! All that Engine 20.10 shows of a container (API 1.41), and what becomes of each field.

use serde_json::{Value, json};

use super::case::Case;

fn host_config() -> Value {
    let mut all = json!({
        "Binds": ["named:/a"], "ContainerIDFile": "/cid", "LogConfig": { "Type": "json-file", "Config": { "max-size": "1m" } },
        "NetworkMode": "bridge", "PortBindings": { "80/tcp": [{ "HostIp": "", "HostPort": "8080" }] },
        "RestartPolicy": { "Name": "on-failure", "MaximumRetryCount": 3 }, "AutoRemove": false, "VolumeDriver": "local",
        "VolumesFrom": null, "CapAdd": ["X"], "CapDrop": ["Y"], "CgroupnsMode": "host", "Dns": ["1.1.1.1"], "DnsOptions": ["o"],
        "DnsSearch": ["s"], "ExtraHosts": ["a:1.2.3.4"], "GroupAdd": ["5"], "IpcMode": "private", "Cgroup": "c", "Links": null,
        "OomScoreAdj": 1, "PidMode": "host", "Privileged": true, "PublishAllPorts": false, "ReadonlyRootfs": true,
        "SecurityOpt": ["seccomp=unconfined"], "Tmpfs": { "/t": "" }, "UTSMode": "", "UsernsMode": "host", "ShmSize": 1,
        "Sysctls": { "s": "1" }, "Runtime": "runc", "ConsoleSize": [1, 2], "Isolation": "i", "StorageOpt": { "size": "1" },
    });
    let limits = json!({
        "CpuShares": 1, "Memory": 2, "NanoCpus": 3, "CgroupParent": "/p", "BlkioWeight": 4, "BlkioWeightDevice": [{ "Path": "/d", "Weight": 1 }],
        "BlkioDeviceReadBps": [{}], "BlkioDeviceWriteBps": [{}], "BlkioDeviceReadIOps": [{}], "BlkioDeviceWriteIOps": [{}],
        "CpuPeriod": 5, "CpuQuota": 6, "CpuRealtimePeriod": 7, "CpuRealtimeRuntime": 8, "CpusetCpus": "0", "CpusetMems": "0",
        "Devices": [{ "PathOnHost": "/dev/null" }], "DeviceCgroupRules": ["c 1:* r"], "DeviceRequests": [{ "Driver": "nvidia" }],
        "KernelMemory": 9, "KernelMemoryTCP": 10, "MemoryReservation": 11, "MemorySwap": 12, "MemorySwappiness": 13, "OomKillDisable": true,
        "PidsLimit": 14, "Ulimits": [{ "Name": "nofile", "Hard": 2, "Soft": 1 }], "CpuCount": 15, "CpuPercent": 16, "IOMaximumIOps": 17,
        "IOMaximumBandwidth": 18, "MaskedPaths": [], "ReadonlyPaths": ["/proc/bus"], "Init": false, "Annotations": { "later": "1" },
    });
    if let (Some(all), Some(limits)) = (all.as_object_mut(), limits.as_object()) {
        all.extend(limits.clone());
    }
    all
}

#[test]
fn every_field_that_inspect_shows_is_sent_whether_anybody_knows_it_or_not() {
    let config = json!({
        "Hostname": "chosen", "Domainname": "d", "User": "u", "AttachStdin": true, "AttachStdout": true, "AttachStderr": true,
        "ExposedPorts": { "80/tcp": {} }, "Tty": true, "OpenStdin": true, "StdinOnce": true, "Env": ["A=1"], "Cmd": ["c"],
        "Healthcheck": { "Test": ["CMD", "t"], "Interval": 1, "Timeout": 2, "StartPeriod": 3, "StartInterval": 4, "Retries": 5 },
        "Volumes": { "/v": {} }, "WorkingDir": "/w", "Entrypoint": ["e"], "OnBuild": ["o"], "Labels": { "l": "1" },
        "StopSignal": "INT", "StopTimeout": 6, "MacAddress": "02:00:00:00:00:01", "NetworkDisabled": false, "Shell": ["sh"],
        "ArgsEscaped": true, "Image": "r.io/a:1", "Later": { "deep": [null, 1] },
    });
    let case = Case::new()
        .with("/HostConfig", host_config())
        .with("/Config", config.clone());
    let mut sent = case.spec().body;
    assert_eq!(sent["HostConfig"], host_config());
    let sent = sent.as_object_mut().expect("an object");
    for beside in ["HostConfig", "NetworkingConfig"] {
        sent.remove(beside);
    }
    let mut expected = config;
    // What it is created by is the new image.
    expected["Image"] = sent["Image"].clone();
    assert_eq!(json!(sent), expected);
}

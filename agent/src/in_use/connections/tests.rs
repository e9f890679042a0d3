use super::*;

/// A line as the kernel writes it: 172.17.0.2:8080 from 172.17.0.1.
fn line(local: &str, remote: &str, state: &str) -> String {
    format!(
        "   0: {local} {remote} {state} 00000000:00000000 00:00000000 00000000     0        0 1 1 0 20 4 30 10 -1"
    )
}

fn table(lines: &[String]) -> String {
    format!(
        "  sl  local_address rem_address   st tx_queue\n{}\n",
        lines.join("\n")
    )
}

const WEB: &str = "020011AC:1F90";
const GATEWAY: &str = "010011AC:D431";
const ITSELF: &str = "0100007F:D431";
const ITSELF_6: &str = "00000000000000000000000001000000:D431";
const ITSELF_MAPPED: &str = "0000000000000000FFFF00000100007F:D431";
const WEB_6: &str = "0000000000000000FFFF0000020011AC:1F90";

#[test]
fn established_connections_to_the_published_ports_are_counted_and_no_others() {
    for (lines, count, what) in [
        (vec![line(WEB, GATEWAY, "01")], 1, "one that is open"),
        (
            vec![line(WEB_6, GATEWAY, "01")],
            1,
            "on a socket of both kinds",
        ),
        (vec![line(WEB, GATEWAY, "0A")], 0, "a listener"),
        (vec![line(WEB, GATEWAY, "06")], 0, "one that has ended"),
        (
            vec![line("020011AC:1F91", GATEWAY, "01")],
            0,
            "another port",
        ),
        (vec![line(GATEWAY, WEB, "01")], 0, "one that it made itself"),
        (vec![line(WEB, ITSELF, "01")], 0, "its own health check"),
        (vec![line(WEB_6, ITSELF_6, "01")], 0, "the same in IPv6"),
        (
            vec![line(WEB_6, ITSELF_MAPPED, "01")],
            0,
            "the same, mapped",
        ),
        (
            vec!["nonsense".to_owned(), String::new()],
            0,
            "no line at all",
        ),
        (
            vec![line(WEB, GATEWAY, "01"), line(WEB, GATEWAY, "01")],
            2,
            "two",
        ),
    ] {
        assert_eq!(in_table(&table(&lines), &[8080], false), count, "{what}");
    }
    let on_host = table(&[line(WEB, ITSELF, "01")]);
    assert_eq!(
        in_table(&on_host, &[8080], true),
        1,
        "a proxy on the machine"
    );
}

#[test]
fn what_is_published_is_read_from_the_engines_answer() {
    let bridged = serde_json::json!({
        "HostConfig": {"NetworkMode": "bridge"},
        "Config": {"ExposedPorts": {"9000/tcp": {}}},
        "NetworkSettings": {
            "Ports": {"8080/tcp": [{"HostPort": "80"}], "9000/tcp": null, "53/udp": [{"HostPort": "53"}]},
            "Networks": {"bridge": {"IPAddress": "172.17.0.2"}}
        }
    });
    assert_eq!(place::published_ports(&bridged), [8080]);
    let on_host = serde_json::json!({
        "HostConfig": {"NetworkMode": "host"},
        "Config": {"ExposedPorts": {"9000/tcp": {}, "53/udp": {}}},
        "NetworkSettings": {"Ports": {}, "Networks": {"host": {"IPAddress": ""}}}
    });
    assert_eq!(place::published_ports(&on_host), [9000]);
}

#[test]
fn another_process_under_that_number_is_not_taken_for_the_containers() {
    let inspect = serde_json::json!({"State": {"Pid": std::process::id()}});
    let id = ContainerId("c0ffee".repeat(10));
    let why = established(&inspect, &id, &[8080]).expect_err("it is this test");
    assert!(why.contains("--pid=host"), "{why}");
    let stopped = serde_json::json!({"State": {"Pid": 0}});
    assert!(established(&stopped, &id, &[8080]).is_err());
}

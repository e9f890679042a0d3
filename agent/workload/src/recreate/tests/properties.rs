use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use super::merge::{merge, normal};
use crate::recreate::draft::{Draft, is_unset};
use crate::recreate::invert;

/// Values of users and of the two images are drawn apart, so that "the user
/// gave exactly the image's value", which cannot be decided, does not occur.
#[derive(Debug, Clone, Copy)]
enum Whose {
    User,
    Old,
    New,
}

fn word(whose: Whose) -> impl Strategy<Value = String> {
    (0..3u8).prop_map(move |n| format!("{whose:?}{n}").to_lowercase())
}

fn env(whose: Whose) -> impl Strategy<Value = Value> {
    let variable = (
        select(vec!["A", "B", "C", "D"]),
        option::weighted(0.8, word(whose)),
    );
    prop::collection::vec(variable, 0..5).prop_map(move |variables| {
        let text = |(name, value): (&str, Option<String>)| match (whose, value) {
            (Whose::User, None) => name.to_owned(),
            (_, value) => format!(
                "{name}={}",
                value.unwrap_or_default() + &format!("{whose:?}")
            ),
        };
        json!(variables.into_iter().map(text).collect::<Vec<_>>())
    })
}

fn labels(whose: Whose) -> impl Strategy<Value = Value> {
    prop::collection::btree_map(select(vec!["a", "b", "c"]), word(whose), 0..3)
        .prop_map(|map| json!(map))
}

/// Keys alone count here, so that the user's are other ones.
fn keys(whose: Whose) -> impl Strategy<Value = Value> {
    prop::collection::btree_map(word(whose), Just(json!({})), 0..3).prop_map(|map| json!(map))
}

fn command(whose: Whose) -> impl Strategy<Value = Value> {
    option::of(prop::collection::vec(word(whose), 1..3)).prop_map(|words| json!(words))
}

fn entrypoint(whose: Whose) -> BoxedStrategy<Value> {
    match whose {
        Whose::User => {
            prop_oneof![3 => command(whose), 1 => Just(json!([""])), 1 => Just(json!([]))].boxed()
        }
        _ => command(whose).boxed(),
    }
}

fn healthcheck(whose: Whose) -> impl Strategy<Value = Value> {
    let seconds = move || {
        let start = match whose {
            Whose::User => 1,
            Whose::Old => 10,
            Whose::New => 20,
        };
        option::of(start..start + 5i64)
    };
    let test = prop_oneof![2 => command(whose), 1 => Just(json!(["NONE"]))];
    let times = (seconds(), seconds(), seconds(), seconds(), seconds());
    option::of((test, times)).prop_map(move |parts| {
        let Some((test, (interval, timeout, retries, start, start_interval))) = parts else {
            return Value::Null;
        };
        // Two that switch the check off are one value, which cannot be decided.
        let test = if test == json!(["NONE"]) && !matches!(whose, Whose::User) {
            json!(["CMD", "old"])
        } else {
            test
        };
        json!({
            "Test": test, "Interval": interval.unwrap_or(0), "Timeout": timeout.unwrap_or(0),
            "Retries": retries.unwrap_or(0), "StartPeriod": start.unwrap_or(0), "StartInterval": start_interval.unwrap_or(0),
        })
    })
}

/// Settings that no image has: they are the user's, whatever they are.
fn of_users_alone() -> impl Strategy<Value = Value> {
    let fields = (
        any::<bool>(),
        any::<bool>(),
        option::of(0..60u32),
        option::of("[a-z]{1,5}"),
        "[a-z]{0,5}",
        any::<bool>(),
    );
    fields.prop_map(|(tty, stdin, timeout, mac, domain, disabled)| {
        json!({
            "Tty": tty, "OpenStdin": stdin, "StdinOnce": stdin, "AttachStdout": tty, "StopTimeout": timeout,
            "MacAddress": mac, "Domainname": domain, "NetworkDisabled": disabled, "Invented": { "Deep": [tty] },
        })
    })
}

prop_compose! {
    fn settings(whose: Whose)(
        env in env(whose), labels in labels(whose), ports in keys(whose), volumes in keys(whose),
        user in option::of(word(whose)), dir in option::of(word(whose)), signal in option::of(word(whose)),
        entrypoint in entrypoint(whose), cmd in command(whose), healthcheck in healthcheck(whose), alone in of_users_alone(),
    ) -> Value {
        let mut settings = json!({
            "Env": env, "Labels": labels, "ExposedPorts": ports, "Volumes": volumes,
            "User": user.unwrap_or_default(), "WorkingDir": dir.unwrap_or_default(), "StopSignal": signal.unwrap_or_default(),
            "Entrypoint": entrypoint, "Cmd": cmd, "Healthcheck": healthcheck,
        });
        if let (Whose::User, Some(settings), Some(alone)) = (whose, settings.as_object_mut(), alone.as_object()) {
            settings.extend(alone.clone());
        }
        settings
    }
}

fn inverted(config: &Value, image: &Value) -> Value {
    let inspect =
        json!({ "Id": "0".repeat(64), "Name": "/web", "Config": config, "HostConfig": {} });
    let mut draft = Draft::read(&inspect).expect("an inspect answer");
    invert::subtract(&mut draft, image);
    Value::Object(draft.config)
}

/// The engine refuses a container with nothing to run.
fn runs_something(shown: &Value) -> bool {
    !is_unset(shown.get("Entrypoint")) || !is_unset(shown.get("Cmd"))
}

/// Clearing an entrypoint that the old image does not have leaves no trace.
fn is_decidable(user: &Value, old: &Value) -> bool {
    user["Entrypoint"] != json!([""]) || !old["Entrypoint"].is_null()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_taken_apart_merges_to_what_it_was(user in settings(Whose::User), old in settings(Whose::Old)) {
        let shown = merge(&user, &old);
        prop_assume!(runs_something(&shown));
        prop_assert_eq!(normal(&merge(&inverted(&shown, &old), &old)), normal(&shown));
    }

    /// Also where the user gave the image's very values.
    #[test]
    fn equal_values_merge_to_what_they_were_too(user in settings(Whose::Old), old in settings(Whose::Old)) {
        let shown = merge(&user, &old);
        prop_assume!(runs_something(&shown));
        prop_assert_eq!(normal(&merge(&inverted(&shown, &old), &old)), normal(&shown));
    }

    #[test]
    fn the_users_settings_meet_the_new_image_as_if_for_the_first_time(
        user in settings(Whose::User), old in settings(Whose::Old), new in settings(Whose::New),
    ) {
        let shown = merge(&user, &old);
        prop_assume!(runs_something(&shown) && is_decidable(&user, &old));
        let again = inverted(&shown, &old);
        prop_assert_eq!(normal(&merge(&again, &new)), normal(&merge(&user, &new)));
    }
}

/// All that cannot be decided: the user gave exactly what the old image has,
/// or cleared an entrypoint that it does not have. Each follows the new image,
/// or stays where a label says whose it is.
#[test]
fn what_cannot_be_decided_follows_the_new_image_unless_its_user_said_whose_it_is() {
    let old = json!({
        "User": "app", "WorkingDir": "/app", "StopSignal": "INT", "Env": ["A=1"], "Labels": { "a": "1" },
        "Volumes": { "/v": {} }, "ExposedPorts": { "1/tcp": {} }, "Entrypoint": ["e"], "Cmd": ["c"],
        "Healthcheck": { "Test": ["CMD", "t"], "Interval": 1, "Timeout": 2, "StartPeriod": 3, "StartInterval": 4, "Retries": 5 },
    });
    let fields = [
        "User",
        "WorkingDir",
        "StopSignal",
        "Env.A",
        "Labels.a",
        "Volumes./v",
        "ExposedPorts.1/tcp",
        "Entrypoint",
        "Cmd",
        "Healthcheck",
    ];
    let keep = |fields: &str| {
        let mut config = old.clone();
        config["Labels"]["pinion.keep"] = json!(fields);
        inverted(&config, &old)
    };
    // What is left of one setting.
    let left = |config: &Value, field: &str| match field.split_once('.') {
        Some(("Env", name)) => {
            let variables = config["Env"].as_array().expect("a list").clone();
            let is_it = |v: &&Value| v.as_str().is_some_and(|v| v.starts_with(name));
            variables.iter().find(is_it).cloned()
        }
        Some((map, entry)) => config[map].get(entry).cloned(),
        None => config.get(field).cloned(),
    };
    for kept in fields.iter().chain([&""]) {
        let config = keep(kept);
        for field in fields {
            // An entrypoint has its command with it.
            let stays = field == *kept || (field == "Cmd" && *kept == "Entrypoint");
            let expected = left(&old, field).filter(|_| stays);
            assert_eq!(
                left(&config, field),
                expected,
                "{field} where {kept} is kept"
            );
        }
    }
    let config = keep(&fields.join(", "));
    for field in fields {
        assert_eq!(
            left(&config, field),
            left(&old, field),
            "{field} beside all others"
        );
    }
}

#[test]
fn the_yardstick_takes_the_images_values_where_the_user_gave_none() {
    let image = json!({ "User": "app", "Env": ["A=1"], "Labels": { "a": "1" }, "Cmd": ["run"] });
    let shown = merge(&Value::Object(Map::new()), &image);
    assert_eq!(
        normal(&shown),
        json!({ "User": "app", "Env": { "A": "1" }, "Labels": { "a": "1" }, "Cmd": ["run"] })
    );
}

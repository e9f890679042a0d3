use super::*;

fn said(log: &str, env: &[&str], credentials: &[&str]) -> String {
    let words = LastWords {
        state: "state: exited".to_owned(),
        checks: Vec::new(),
        log: log.to_owned(),
        env: env.iter().map(|text| (*text).to_owned()).collect(),
    };
    let credentials: Vec<_> = credentials
        .iter()
        .map(|text| SecretString::from(*text))
        .collect();
    let reported = words.reported(&credentials);
    reported
        .strip_prefix("state: exited\n")
        .expect("the state comes first")
        .to_owned()
}

#[test]
fn values_of_variables_whose_names_look_secret_are_removed() {
    for name in [
        "DB_PASSWORD",
        "dbPassword",
        "STRIPE_SECRET",
        "GHCR_TOKEN",
        "SESSIONTOKEN",
        "SIGNING_KEY",
        "PGPASS_PASS",
        "DATABASE_DSN",
        "my.auth",
        "API-KEY",
        "AWS_SECRET_ACCESS_KEY",
        "BASIC_AUTH",
        "CREDENTIALS",
        "APIKEY",
        "COOKIE",
    ] {
        let env = format!("{name}=hunter2!");
        assert_eq!(
            said("it is hunter2! now", &[&env], &[]),
            "it is [removed] now",
            "{name}"
        );
    }
    for name in [
        "PATH",
        "KEYBOARD",
        "MONKEY",
        "COMPASS",
        "PINION_MODE",
        "AUTHOR",
        "HOME",
        "TOKE",
    ] {
        let env = format!("{name}=hunter2!");
        assert_eq!(
            said("it is hunter2! now", &[&env], &[]),
            "it is hunter2! now",
            "{name}"
        );
    }
}

#[test]
fn what_is_too_short_or_too_plain_to_be_a_secret_stays() {
    assert_eq!(
        said(
            "true abc 1",
            &["AUTH=true", "TOKEN=abc", "KEY=1", "PASSWORD="],
            &[]
        ),
        "true abc 1"
    );
    assert_eq!(said("abcd", &["PASSWORD=abcd"], &[]), "[removed]");
}

#[test]
fn of_two_secrets_the_longer_one_goes_first() {
    assert_eq!(
        said(
            "swordfish-2",
            &["A_TOKEN=swordfish", "B_TOKEN=swordfish-2"],
            &[]
        ),
        "[removed]"
    );
}

#[test]
fn a_secret_of_several_lines_is_removed_line_by_line() {
    let env = ["PRIVATE_PEM=first line of it\nsecond line of it"];
    assert_eq!(
        said("> first line of it\n> second line of it", &env, &[]),
        "> [removed]\n> [removed]"
    );
}

#[test]
fn a_password_in_a_url_is_removed_wherever_the_url_stands() {
    let env = ["DATABASE_URL=postgres://app:s3cr3t@db/app"];
    assert_eq!(said("password s3cr3t", &env, &[]), "password [removed]");
    assert_eq!(
        said(
            "cannot open amqp://u:p4ss@mq:5672/v and http://a/b",
            &[],
            &[]
        ),
        "cannot open amqp://u:[removed]@mq:5672/v and http://a/b"
    );
}

#[test]
fn credentials_of_registries_are_removed() {
    assert_eq!(
        said("login x:tok-en-1", &[], &["tok-en-1"]),
        "login x:[removed]"
    );
}

#[test]
fn what_looks_like_a_token_is_removed() {
    let jwt = format!(
        "eyJ{}.eyJ{}.{}",
        "a".repeat(10),
        "b".repeat(10),
        "c".repeat(10)
    );
    let key = format!("AKIA{}", "Z".repeat(16));
    let basic = STANDARD.encode("user:password");
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    for (log, left) in [
        ("Bearer abc12345".to_owned(), "Bearer [removed]"),
        (
            format!("\"bearer\": \"{}\"", "q".repeat(20)),
            "\"bearer\": \"[removed]\"",
        ),
        ("bearer of bad news".to_owned(), "bearer of bad news"),
        (format!("Basic {basic}!"), "Basic [removed]!"),
        (
            "Basic authentication is off".to_owned(),
            "Basic authentication is off",
        ),
        (
            "< Authorization: Custom q".to_owned(),
            "< Authorization: [removed]",
        ),
        (
            "Set-Cookie: sid=1; Path=/".to_owned(),
            "Set-Cookie: [removed]",
        ),
        (format!("token={jwt}, next"), "token=[removed], next"),
        (format!("id {key}"), "id [removed]"),
        (format!("ghp_{} ", "x".repeat(36)), "[removed] "),
        (
            "ghp_short sk-8 disk-full-of-old-things-here".to_owned(),
            "ghp_short sk-8 disk-full-of-old-things-here",
        ),
        (
            "a\n-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----\nb".to_owned(),
            "a\n[removed]\nb",
        ),
        ("-----BEGIN PRIVATE KEY-----\nMII".to_owned(), "[removed]"),
    ] {
        assert_eq!(said(&log, &[], &[]), left);
    }
}

#[test]
fn the_newest_whole_lines_are_kept_and_no_half_secret_with_them() {
    let secret = "s3cr3t-".repeat(20);
    let line = format!("é {secret} {}\n", "x".repeat(40));
    let env = format!("TOKEN={secret}");
    let log = format!("{}the end", line.repeat(3000));
    let text = said(&log, &[&env], &[]);
    assert!(text.len() + "state: exited\n".len() <= Failure::LOG_TAIL_LIMIT);
    assert!(text.len() > Failure::LOG_TAIL_LIMIT - 200, "{}", text.len());
    assert!(text.starts_with("é [removed] x") && text.ends_with("the end"));
    assert!(!text.contains("s3cr3t"));
}

#[test]
fn the_health_log_comes_first_the_newest_first_and_has_its_own_bound() {
    let words = LastWords {
        state: "state: running, exit code 0".to_owned(),
        checks: (0..30)
            .map(|n| format!("check {n}: {}", "y".repeat(1000)))
            .collect(),
        log: "z".repeat(40_000),
        env: Vec::new(),
    };
    let text = words.reported(&[]);
    assert!(text.starts_with("state: running, exit code 0\ncheck 0: yy"));
    assert!(
        text.contains("\ncheck 6: ") && !text.contains("\ncheck 8"),
        "whole lines, the newest"
    );
    assert!(text.len() <= Failure::LOG_TAIL_LIMIT && text.ends_with("zzz"));
}

#[test]
fn what_would_steer_a_terminal_is_left_out() {
    assert_eq!(said("a\x1b[2J\r\n\0b", &[], &[]), "a[2J\nb");
    assert_eq!(
        said("hunt\x1b\0er22", &["PASSWORD=hunter22"], &[]),
        "[removed]"
    );
}

use super::*;
use std::os::unix::fs::PermissionsExt as _;

fn identity() -> Identity {
    let key = new_key();
    let certificate = rcgen::CertificateParams::default()
        .self_signed(&key)
        .expect("signed");
    let der = certificate.der().clone();
    let agent = "m1".parse().expect("name");
    let pem = Zeroizing::new(key.serialize_pem());
    Identity::new(
        agent,
        "t.example".into(),
        vec!["a:1".into()],
        pem,
        der.clone(),
        vec![der],
    )
    .expect("identity")
}

#[test]
fn what_was_saved_is_loaded_and_private() {
    let dir = tempfile::tempdir().expect("directory");
    let kept = IdentityDir::below(dir.path());
    assert!(matches!(kept.load(), Err(IdentityError::NotEnrolled(_))));
    let saved = identity();
    kept.save(&saved).expect("saved");
    let loaded = kept.load().expect("loaded");
    assert_eq!(
        (loaded.agent, loaded.addresses),
        (saved.agent, saved.addresses)
    );
    assert_eq!(
        (loaded.certificate, loaded.authorities),
        (saved.certificate, saved.authorities)
    );
    assert_eq!(
        loaded.key_pem.replace("\r", ""),
        saved.key_pem.replace("\r", "")
    );
    for file in std::fs::read_dir(dir.path().join("identity")).expect("list") {
        let mode = file
            .and_then(|file| file.metadata())
            .expect("metadata")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn a_second_try_asks_with_the_key_of_the_first() {
    let dir = tempfile::tempdir().expect("directory");
    let kept = IdentityDir::below(dir.path());
    let first = kept.pending_key().expect("made").serialize_pem();
    assert_eq!(kept.pending_key().expect("kept").serialize_pem(), first);
    kept.save(&identity()).expect("saved");
    assert_ne!(kept.pending_key().expect("made").serialize_pem(), first);
}

#[test]
fn debug_shows_no_key() {
    let identity = identity();
    let secret = identity.key_pem.lines().nth(1).expect("body").to_owned();
    assert!(!format!("{identity:?}").contains(&secret[..20]));
}

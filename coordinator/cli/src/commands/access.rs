//! `pinion token` and `pinion operator`.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use pinion_proto::v1;

use super::App;
use crate::args::strategy::wire;
use crate::args::values::labels;
use crate::args::{Kind, OperatorCommand, OperatorCreateArgs, TokenCommand, TokenCreateArgs};
use crate::confirm::confirm;
use crate::connect::Link;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::{access, words};

pub(super) async fn tokens(app: &App, command: TokenCommand) -> Result<Exit, Error> {
    match command {
        TokenCommand::Create(args) => create_token(app, args).await?,
        TokenCommand::List { kind } => {
            let link = app.link().await?;
            let request = v1::ListTokensRequest {
                kind: kind.map_or(v1::TokenKind::Unspecified, wire_kind).into(),
            };
            let answer = link
                .ask(
                    "AccessService/ListTokens",
                    link.access().list_tokens(request),
                )
                .await?;
            app.out.show("ListTokensResponse", &answer, |answer| {
                access::tokens(answer, app.now)
            })?;
        }
        TokenCommand::Revoke { id, reason } => {
            confirm(
                app.global.yes,
                &format!("Revoke token {id}? Whoever holds it is refused from now on."),
            )?;
            let link = app.link().await?;
            let request = v1::RevokeTokenRequest {
                id: id.clone(),
                reason,
            };
            let answer = link
                .ask(
                    "AccessService/RevokeToken",
                    link.access().revoke_token(request),
                )
                .await?;
            app.out.show("RevokeTokenResponse", &answer, |_| {
                format!("token {id} is revoked")
            })?;
        }
    }
    Ok(Exit::Done)
}

fn wire_kind(kind: Kind) -> v1::TokenKind {
    match kind {
        Kind::Enrollment => v1::TokenKind::Enrollment,
        Kind::Api => v1::TokenKind::Api,
    }
}

/// The secret goes to standard output alone, so that `T=$(pinion token create …)` holds it.
async fn create_token(app: &App, args: TokenCreateArgs) -> Result<(), Error> {
    if let Some(contradiction) = args.contradiction() {
        return Err(Error::Usage(contradiction.into()));
    }
    let request = v1::CreateTokenRequest {
        kind: wire_kind(args.kind).into(),
        role: args.role.map_or(v1::Role::Unspecified, Into::into).into(),
        name: args.name.unwrap_or_default(),
        labels: labels(&args.labels),
        max_uses: args.max_uses.unwrap_or_default(),
        ttl: args.ttl.map(wire),
    };
    let link = app.link().await?;
    let answer = link
        .ask(
            "AccessService/CreateToken",
            link.access().create_token(request),
        )
        .await?;
    if let Some(token) = &answer.token {
        app.out.note(&access::token_made(token, app.now));
    }
    app.out.show("CreateTokenResponse", &answer, |answer| {
        answer.secret.clone()
    })
}

pub(super) async fn operators(app: &App, command: OperatorCommand) -> Result<Exit, Error> {
    match command {
        OperatorCommand::Create(args) => create_operator(app, args).await?,
        OperatorCommand::List => {
            let link = app.link().await?;
            let request = v1::ListOperatorsRequest {};
            let answer = link
                .ask(
                    "AccessService/ListOperators",
                    link.access().list_operators(request),
                )
                .await?;
            app.out.show("ListOperatorsResponse", &answer, |answer| {
                access::operators(answer, app.now)
            })?;
        }
        OperatorCommand::Revoke { name, reason } => {
            confirm(
                app.global.yes,
                &format!(
                    "Revoke operator {name}? Every certificate of that name is refused from now on."
                ),
            )?;
            let link = app.link().await?;
            let request = v1::RevokeOperatorRequest {
                name: name.to_string(),
                reason,
            };
            let answer = link
                .ask(
                    "AccessService/RevokeOperator",
                    link.access().revoke_operator(request),
                )
                .await?;
            app.out.show("RevokeOperatorResponse", &answer, |_| {
                format!("operator {name} is revoked")
            })?;
        }
    }
    Ok(Exit::Done)
}

/// The key is written before it is certified: a certificate without its key
/// would be good for nothing, and a key without a certificate is taken away.
async fn create_operator(app: &App, args: OperatorCreateArgs) -> Result<(), Error> {
    let link = app.link().await?;
    let file = |extension: &str| args.out.join(format!("{}.{extension}", args.name));
    let (key_path, cert_path) = (file("key"), file("pem"));
    std::fs::create_dir_all(&args.out).map_err(|source| failed(&args.out, source))?;
    for path in [&key_path, &cert_path] {
        if path.exists() {
            return Err(Error::Exists {
                path: path.display().to_string(),
            });
        }
    }
    let key = rcgen::KeyPair::generate()?;
    write_new(&key_path, &key.serialize_pem(), 0o600)?;
    let certified = certify(&link, &args, &key).await;
    let answer = match certified {
        Ok(answer) => answer,
        Err(error) => {
            // Nobody certified it, so it opens nothing; leave no litter.
            let _ = std::fs::remove_file(&key_path);
            return Err(error);
        }
    };
    write_new(&cert_path, &answer.certificate, 0o644)?;
    let ca_path = args.out.join("ca.pem");
    std::fs::write(&ca_path, &answer.authorities).map_err(|source| failed(&ca_path, source))?;
    app.out.show("IssueOperatorCertificateResponse", &answer, |answer| {
        let (key, cert, ca) = (key_path.display(), cert_path.display(), ca_path.display());
        let (name, endpoint) = (&args.name, link.endpoint());
        let role = words::role(answer.operator.as_ref().map_or(0, |operator| operator.role));
        format!(
            "operator {name} has the role {role}. To hand over:\n  {key}\n  {cert}\n  {ca}\nWhere they are used:\n  pinion profile set {name} --endpoint {endpoint} --ca {ca} --cert {cert} --key {key}"
        )
    })
}

async fn certify(
    link: &Link,
    args: &OperatorCreateArgs,
    key: &rcgen::KeyPair,
) -> Result<v1::IssueOperatorCertificateResponse, Error> {
    let mut parameters = rcgen::CertificateParams::default();
    parameters
        .distinguished_name
        .push(rcgen::DnType::CommonName, args.name.as_str());
    let csr = parameters.serialize_request(key)?;
    let request = v1::IssueOperatorCertificateRequest {
        name: args.name.to_string(),
        role: v1::Role::from(args.role).into(),
        csr: csr.der().to_vec(),
        ttl: args.ttl.map(wire),
    };
    let method = "AccessService/IssueOperatorCertificate";
    Ok(link
        .ask(method, link.access().issue_operator_certificate(request))
        .await?)
}

/// A file that was not there before.
fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), Error> {
    let write = || -> io::Result<()> {
        let mut file: File = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|source| failed(path, source))
}

fn failed(path: &Path, source: io::Error) -> Error {
    Error::File {
        path: path.display().to_string(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_key_is_its_owners_alone_and_never_overwritten() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("alice.key");
        write_new(&path, "secret", 0o600).expect("written");
        let mode = std::fs::metadata(&path)
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let error = write_new(&path, "other", 0o600).expect_err("it is there");
        assert!(error.to_string().contains("alice.key"));
        assert_eq!(std::fs::read_to_string(&path).expect("there"), "secret");
    }
}

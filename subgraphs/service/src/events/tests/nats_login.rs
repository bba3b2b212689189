//! A NATS that asks for credentials over TLS, as managed ones do. Needs the programs `nats-server` and `openssl`, not one
//! that runs.

use super::event;
use super::nats::PATIENCE;
use crate::clock::Clock;
use crate::events::nats::{Nats, NatsOptions};
use crate::events::transport::Transport;
use data_encoding::BASE64URL_NOPAD;
use nkeys::KeyPair;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A server with one account and one user.
struct Server {
    process: Child,
    url: String,
    folder: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    /// `None` where a program is not installed.
    fn start() -> Option<Server> {
        let folder = tempfile::tempdir().unwrap();
        if !certify(folder.path()) {
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        std::fs::write(folder.path().join("nats.conf"), configuration(folder.path(), port)).unwrap();
        let mut command = Command::new("nats-server");
        command.arg("--config").arg(folder.path().join("nats.conf"));
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        Some(Server {
            process,
            url: format!("tls://localhost:{port}"),
            folder,
        })
    }

    fn options(&self) -> NatsOptions {
        NatsOptions {
            url: self.url.clone(),
            credentials_file: Some(self.file("user.creds")),
            ca_file: Some(self.file("server.pem")),
            stream: crate::id::new("test"),
            kept: Duration::from_secs(600),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Writes a certificate of `localhost` that vouches for itself; false where the program is not installed.
fn certify(folder: &Path) -> bool {
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "2"]);
    command.args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]);
    command.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    command.args(["-keyout", "server.key", "-out", "server.pem"]);
    let made = command.current_dir(folder).stderr(Stdio::null()).status();
    made.is_ok_and(|status| status.success())
}

/// Writes a user's credentials into `folder`, and gives the server's configuration.
fn configuration(folder: &Path, port: u16) -> String {
    let [operator, system, account, user] = [
        KeyPair::new_operator(),
        KeyPair::new_account(),
        KeyPair::new_account(),
        KeyPair::new_user(),
    ];
    // -1: as much as there is.
    let traffic = json!({ "subs": -1, "conn": -1, "data": -1, "payload": -1 });
    let mut everything = traffic.clone();
    for store in ["mem_storage", "disk_storage", "streams", "consumer"] {
        everything[store] = json!(-1);
    }
    let account_of = |limits: &Value| json!({ "type": "account", "version": 2, "limits": limits });
    let mut user_claims = traffic.clone();
    (user_claims["type"], user_claims["version"]) = (json!("user"), json!(2));
    let user_jwt = token(&account, &user, &user_claims);
    std::fs::write(folder.join("user.creds"), credentials(&user_jwt, &user.seed().unwrap())).unwrap();
    format!(
        "listen: 127.0.0.1:{port}
jetstream {{ store_dir: '{folder}' }}
tls {{ cert_file: '{folder}/server.pem', key_file: '{folder}/server.key' }}
operator: {operator_jwt}
system_account: {system_key}
resolver: MEMORY
resolver_preload: {{ {system_key}: {system_jwt}, {account_key}: {account_jwt} }}
",
        folder = folder.display(),
        operator_jwt = token(&operator, &operator, &json!({ "type": "operator", "version": 2 })),
        system_key = system.public_key(),
        system_jwt = token(&operator, &system, &account_of(&traffic)),
        account_key = account.public_key(),
        account_jwt = token(&operator, &account, &account_of(&everything)),
    )
}

/// What `issuer` says of `subject` (NATS JWT version 2).
fn token(issuer: &KeyPair, subject: &KeyPair, claims: &Value) -> String {
    let encode = |value: &[u8]| BASE64URL_NOPAD.encode(value);
    let header = json!({ "typ": "JWT", "alg": "ed25519-nkey" });
    let body = json!({ "jti": crate::id::new("jti"), "iat": 0, "iss": issuer.public_key(), "name": "hansa",
        "sub": subject.public_key(), "nats": claims });
    let signed = format!(
        "{}.{}",
        encode(header.to_string().as_bytes()),
        encode(body.to_string().as_bytes())
    );
    let signature = issuer.sign(signed.as_bytes()).unwrap();
    format!("{signed}.{}", encode(&signature))
}

/// As `nsc` writes them.
fn credentials(jwt: &str, seed: &str) -> String {
    format!(
        "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_is_logged_in_to_with_credentials_over_tls() {
    let Some(server) = Server::start() else {
        println!("skipped: there is no `nats-server` or no `openssl`");
        return;
    };
    let nats = Nats::connect(server.options(), "writer").await.unwrap();
    let sending = async {
        while let Err(error) = nats.send(&event("ord_1", 1, &Clock::System)).await {
            println!("not yet: {error}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, sending)
        .await
        .expect("the broker takes it");
    assert_eq!(nats.stream().await.unwrap().cached_info().state.messages, 1);

    // Neither without credentials, nor without a reason to trust the broker.
    let no_credentials = NatsOptions {
        credentials_file: None,
        ..server.options()
    };
    let no_trust = NatsOptions {
        ca_file: None,
        ..server.options()
    };
    for options in [no_credentials, no_trust] {
        let stranger = Nats::connect(options, "stranger").await.unwrap();
        let unwanted = event("ord_2", 1, &Clock::System);
        let sending = tokio::time::timeout(Duration::from_secs(2), stranger.send(&unwanted));
        assert!(!matches!(sending.await, Ok(Ok(()))));
    }
    assert_eq!(nats.stream().await.unwrap().get_info().await.unwrap().state.messages, 1);
}

//! A users service under test, and what tests do with it again and again.

use serde_json::{Value, json};
use service::clock::Clock;
use service::testing::{TestOptions, TestService};
use std::path::PathBuf;
use std::time::Duration;
use users::{EmailVerification, Users, UsersConfig};

/// The service with the demo shop in it, on the database at `url`.
pub(crate) struct Shop {
    pub(crate) service: TestService,
    folder: tempfile::TempDir,
}

pub(crate) const PASSWORD: &str = "correct horse battery";

impl Shop {
    pub(crate) async fn start(url: &str) -> Shop {
        Shop::start_with(url, EmailVerification::Optional).await
    }

    pub(crate) async fn start_with(url: &str, email_verification: EmailVerification) -> Shop {
        let change = |config: &mut UsersConfig| config.email_verification = email_verification;
        Shop::start_changed(url, TestOptions::default(), change).await
    }

    /// The service with other settings, and with peers and keys of the caller.
    pub(crate) async fn start_changed(url: &str, options: TestOptions, change: impl FnOnce(&mut UsersConfig)) -> Shop {
        let folder = tempfile::tempdir().unwrap();
        let mut config = UsersConfig {
            jwt_keys_dir: folder.path().join("keys"),
            mail_folder: Some(folder.path().join("mail")),
            ..UsersConfig::default()
        };
        std::fs::create_dir_all(folder.path().join("mail")).unwrap();
        change(&mut config);
        let options = TestOptions {
            seed: true,
            clock: Clock::manual(service::seed::opening()),
            ..options
        };
        Shop {
            service: TestService::start::<Users>(url, config, options).await,
            folder,
        }
    }

    /// `data` of a request that must succeed.
    pub(crate) async fn data(&self, query: &str, variables: Value, token: Option<&str>) -> Value {
        let answer = self.service.query(query, variables, token).await;
        assert!(answer.get("errors").is_none(), "{answer:#}");
        answer["data"].clone()
    }

    /// Number of SQL statements that a request takes: the least of three, since the background may have its own between.
    pub(crate) async fn statements_of(&self, query: &str, variables: Value, token: Option<&str>) -> u64 {
        let mut least = u64::MAX;
        for _ in 0..3 {
            least = least.min(self.service.statements_of(query, variables.clone(), token).await);
        }
        least
    }

    /// Codes of the top-level errors of a request.
    pub(crate) async fn codes(&self, query: &str, variables: Value, token: Option<&str>) -> Vec<String> {
        let answer = self.service.query(query, variables, token).await;
        let errors = answer["errors"].as_array().cloned().unwrap_or_default();
        errors
            .iter()
            .map(|error| error["extensions"]["code"].as_str().unwrap_or("no code").to_owned())
            .collect()
    }

    /// Registers `<name>@example.com`; the answer is the payload.
    pub(crate) async fn register(&self, name: &str) -> Value {
        let input = json!({ "email": format!("{name}@example.com"), "password": PASSWORD, "displayName": name });
        let register = "mutation($input: UserRegisterInput!) { userRegister(input: $input) {
            accepted user { id email } tokens { accessToken refreshToken } userErrors { code field } } }";
        self.data(register, json!({ "input": input }), None).await["userRegister"].clone()
    }

    /// Registers somebody, and returns their access token.
    pub(crate) async fn customer(&self, name: &str) -> String {
        self.register(name).await["tokens"]["accessToken"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Logs in; the answer is the payload.
    pub(crate) async fn login(&self, email: &str, password: &str) -> Value {
        let login = "mutation($input: UserLoginInput!) { userLogin(input: $input) {
            user { id } tokens { accessToken refreshToken } userErrors { code field message } } }";
        let input = json!({ "email": email, "password": password });
        self.data(login, json!({ "input": input }), None).await["userLogin"].clone()
    }

    /// An access token of one of the demo accounts.
    pub(crate) async fn demo(&self, name: &str) -> String {
        let payload = self
            .login(&format!("{name}@hansa.example"), service::seed::users::PASSWORD)
            .await;
        payload["tokens"]["accessToken"].as_str().unwrap().to_owned()
    }

    /// The mails sent so far, oldest first.
    pub(crate) fn mails(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path().join("mail")).unwrap();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
            .iter()
            .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
            .filter_map(|path| std::fs::read_to_string(path).ok())
            .collect()
    }

    /// The mails to `to`, oldest first, as soon as there are `count` of them: they are sent in the background.
    pub(crate) async fn mails_to(&self, to: &str, count: usize) -> Vec<String> {
        let to = format!("To: {to}\n");
        eventually("a mail", || {
            let mut mails = self.mails();
            mails.retain(|mail| mail.starts_with(&to));
            (mails.len() >= count).then_some(mails)
        })
        .await
    }

    /// The secret in the mail number `count` (from 1) to `to`.
    pub(crate) async fn mailed_token(&self, to: &str, count: usize) -> String {
        secret_in(&self.mails_to(to, count).await[count - 1])
    }

    /// The private keys that sign tokens, as they are on disk.
    pub(crate) fn private_keys(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path().join("keys")).unwrap();
        entries
            .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
            .collect()
    }
}

/// The secret in a mail.
pub(crate) fn secret_in(mail: &str) -> String {
    let secret = mail.split("token=").nth(1).expect("a mail with a secret");
    secret.split_whitespace().next().unwrap().to_owned()
}

/// What `look` sees, as soon as it sees something: for work that is done in the background.
pub(crate) async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..1000 {
        if let Some(seen) = look() {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what} did not come");
}

/// Codes (and fields) in a payload's `userErrors`.
pub(crate) fn user_errors(payload: &Value) -> String {
    let errors = payload["userErrors"].as_array().unwrap().iter();
    let shown = errors.map(|error| {
        let field = error["field"]
            .as_array()
            .map(|path| path.iter().map(|part| part.as_str().unwrap()));
        let path = field.map(|path| path.collect::<Vec<_>>().join(".")).unwrap_or_default();
        format!("{}@{path}", error["code"].as_str().unwrap())
    });
    shown.collect::<Vec<_>>().join(" ")
}

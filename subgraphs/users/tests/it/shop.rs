//! A users service under test, and what tests do with it again and again.

use serde_json::{Value, json};
use service::clock::Clock;
use service::testing::{TestOptions, TestService};
use std::path::PathBuf;
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
        let folder = tempfile::tempdir().unwrap();
        let config = UsersConfig {
            jwt_keys_dir: folder.path().join("keys"),
            mail_folder: Some(folder.path().join("mail")),
            email_verification,
            ..UsersConfig::default()
        };
        let options = TestOptions {
            seed: true,
            clock: Clock::manual(service::seed::opening()),
            ..TestOptions::default()
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
            .map(|path| std::fs::read_to_string(path).unwrap())
            .collect()
    }

    /// The secret in the latest mail to `to` that holds one.
    pub(crate) fn mailed_token(&self, to: &str) -> String {
        let to = format!("To: {to}\n");
        let mails = self.mails();
        let mut to_them = mails.iter().rev().filter(|mail| mail.starts_with(&to));
        let secret = to_them
            .find_map(|mail| mail.split("token=").nth(1))
            .expect("a mail with a secret");
        secret.split_whitespace().next().unwrap().to_owned()
    }
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

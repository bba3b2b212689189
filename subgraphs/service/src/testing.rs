//! Support for the tests of services: a database per test, tokens for any viewer, and requests without a socket.

pub mod access;
mod sdl;
pub mod statements;

use crate::app::{App, AssembleOptions, Service, assemble};
use crate::auth::{AccessClaims, InternalKey, Role, Scopes, SigningKey, TokenSettings, TokenVerifier, Viewer};
use crate::clock::Clock;
use crate::database::Database;
use crate::peer::Peers;
use axum::Router;
use axum::body::Body;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response, StatusCode, header};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use std::path::PathBuf;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Runs `test` with an empty database of its own: always on SQLite, and also on PostgreSQL and MySQL/MariaDB when
/// `TEST_POSTGRES_URL` and `TEST_MYSQL_URL` name servers on which databases may be created.
#[allow(
    clippy::print_stdout,
    reason = "shown when the test fails: the last line names the database that it failed on"
)]
pub async fn each_database<F, Fut>(test: F)
where
    F: Fn(String) -> Fut,
    Fut: Future<Output = ()>,
{
    let folder = tempfile::tempdir().expect("a temporary folder");
    println!("on SQLite");
    test(format!("sqlite:{}", folder.path().join("test.sqlite").display())).await;
    for variable in ["TEST_POSTGRES_URL", "TEST_MYSQL_URL"] {
        let Ok(server) = std::env::var(variable) else { continue };
        let name = crate::id::new("hansa_test");
        let mut url = url::Url::parse(&server).expect("a URL in the variable");
        url.set_path(&name);
        let admin = Database::connect(&server, &Default::default())
            .await
            .expect("the test server answers");
        let utf8 = if variable == "TEST_MYSQL_URL" {
            " CHARACTER SET utf8mb4"
        } else {
            ""
        };
        let create = format!("CREATE DATABASE {name}{utf8}");
        admin
            .write()
            .execute_unprepared(&create)
            .await
            .expect("may create databases");
        println!("on {}, database {name}", url.scheme());
        test(url.to_string()).await;
        let force = if variable == "TEST_POSTGRES_URL" {
            " WITH (FORCE)"
        } else {
            ""
        };
        let drop = format!("DROP DATABASE {name}{force}");
        admin
            .write()
            .execute_unprepared(&drop)
            .await
            .expect("may drop its database");
    }
}

/// A temporary folder with an SQLite file in it, for tests that need only one database.
pub struct TempSqlite {
    /// Address of the database.
    pub url: String,
    _folder: tempfile::TempDir,
}

impl TempSqlite {
    /// An empty database, which goes with the value.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "it makes a folder")]
    pub fn new() -> TempSqlite {
        let folder = tempfile::tempdir().expect("a temporary folder");
        TempSqlite {
            url: format!("sqlite:{}", folder.path().join("test.sqlite").display()),
            _folder: folder,
        }
    }
}

/// Signs tokens for tests.
pub struct TestKeys {
    key: SigningKey,
    settings: TokenSettings,
}

impl Default for TestKeys {
    fn default() -> Self {
        TestKeys::with(SigningKey::from_seed(&[42; 32]).expect("a seed makes a key"))
    }
}

impl TestKeys {
    /// Keys that sign with `key`.
    #[must_use]
    pub fn with(key: SigningKey) -> TestKeys {
        TestKeys {
            key,
            settings: TokenSettings::default(),
        }
    }
}

impl TestKeys {
    /// The public half of the key.
    #[must_use]
    pub fn jwk(&self) -> &Jwk {
        self.key.jwk()
    }

    /// A verifier for the tokens.
    #[must_use]
    pub fn verifier(&self) -> TokenVerifier {
        TokenVerifier::from_key_set(
            &JwkSet {
                keys: vec![self.key.jwk().clone()],
            },
            &self.settings,
        )
    }

    /// A token of `viewer` that is good for five minutes.
    #[must_use]
    pub fn token(&self, viewer: &Viewer) -> String {
        self.token_expiring_in(viewer, 300)
    }

    /// A token of `viewer` that expires in `seconds` (which may be negative).
    #[must_use]
    pub fn token_expiring_in(&self, viewer: &Viewer, seconds: i64) -> String {
        let now = chrono::Utc::now().timestamp();
        let claims = AccessClaims {
            iss: self.settings.issuer.clone(),
            aud: self.settings.audience.clone(),
            sub: viewer.user_id.clone().unwrap_or_default(),
            sid: viewer.session_id.clone(),
            exp: now + seconds,
            iat: now,
            roles: viewer.roles.clone(),
            scope: viewer.scopes.to_string(),
        };
        self.key.sign(&claims).expect("a test key signs")
    }

    /// A token of the user `id` with the scopes of `roles`.
    #[must_use]
    pub fn user(&self, id: &str, roles: &[Role]) -> String {
        debug_assert_eq!(Viewer::user(id, roles).scopes, Scopes::of(roles));
        self.token(&Viewer::user(id, roles))
    }
}

/// A service under test, with its own database, keys and clock.
pub struct TestService {
    /// The assembled service.
    pub app: App,
    /// Signs tokens that it accepts.
    pub keys: TestKeys,
    /// The key of its internal listener.
    pub internal_key: InternalKey,
    /// Its clock.
    pub clock: Clock,
}

/// What a test may choose about the service under test.
#[derive(Clone)]
pub struct TestOptions {
    /// Fill it with the demo shop.
    pub seed: bool,
    /// Services that it may call.
    pub peers: Peers,
    /// Its clock.
    pub clock: Clock,
    /// The key of the internal listeners.
    pub internal_key: InternalKey,
}

impl Default for TestOptions {
    fn default() -> Self {
        let internal_key = InternalKey::generate();
        TestOptions {
            seed: false,
            peers: Peers::default(),
            clock: Clock::System,
            internal_key,
        }
    }
}

impl TestService {
    /// Starts `S` on the database at `url`. Boxed like everything here, so that the futures of tests stay small.
    pub fn start<S: Service>(url: &str, config: S::Config, options: TestOptions) -> BoxFuture<'static, TestService> {
        let url = url.to_owned();
        async move { TestService::start_at::<S>(&url, config, options).await }.boxed()
    }

    async fn start_at<S: Service>(url: &str, config: S::Config, options: TestOptions) -> TestService {
        let keys = TestKeys::default();
        let assemble_options = AssembleOptions {
            seed: options.seed,
            peers: options.peers,
            clock: options.clock.clone(),
            internal_key: options.internal_key.clone(),
            shutdown: CancellationToken::new(),
            ..AssembleOptions::alone(url, keys.verifier())
        };
        let app = assemble::<S>(assemble_options, config)
            .await
            .expect("the service starts");
        TestService {
            app,
            keys,
            internal_key: options.internal_key,
            clock: options.clock,
        }
    }

    /// Sends a GraphQL request to it.
    pub fn query<'a>(&'a self, query: &'a str, variables: Value, token: Option<&'a str>) -> BoxFuture<'a, Value> {
        async move { client(&self.app.public).query(query, variables, token).await }.boxed()
    }

    /// Asks for entities, as the router does.
    pub async fn entities(&self, representations: Value, selection: &str, token: Option<&str>) -> Value {
        let query = format!("query($r: [_Any!]!) {{ _entities(representations: $r) {{ {selection} }} }}");
        self.query(&query, json!({ "r": representations }), token).await
    }

    /// Number of SQL statements that a request takes.
    pub async fn statements_of(&self, query: &str, variables: Value, token: Option<&str>) -> u64 {
        let before = self.app.database.statements();
        let answer = self.query(query, variables, token).await;
        assert!(answer.get("errors").is_none(), "{answer:#}");
        self.app.database.statements() - before
    }
}

/// A GraphQL client for the public router of an app.
#[must_use]
pub fn client(public: &Router) -> Client {
    Client { public: public.clone() }
}

/// Sends GraphQL requests without a socket.
pub struct Client {
    public: Router,
}

impl Client {
    /// Sends one request, and returns the body of the response.
    pub async fn query(&self, query: &str, variables: Value, token: Option<&str>) -> Value {
        let mut headers = HeaderMap::new();
        if let Some(token) = token {
            let bearer = format!("Bearer {token}").parse().expect("a token is a header value");
            headers.insert(header::AUTHORIZATION, bearer);
        }
        let (_, _, body) = self
            .send(json!({ "query": query, "variables": variables }), headers)
            .await;
        serde_json::from_slice(&body).expect("a JSON body")
    }

    /// Sends any body with any headers, and returns all of the response.
    pub async fn send(&self, body: Value, headers: HeaderMap) -> (StatusCode, HeaderMap, Vec<u8>) {
        let mut request = Request::post("/graphql")
            .body(Body::from(body.to_string()))
            .expect("a request");
        *request.headers_mut() = headers;
        request
            .headers_mut()
            .insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        let Ok(response) = self.public.clone().oneshot(request).boxed().await;
        read(response).await
    }
}

/// Sends `GET path` to a router, and returns status, headers and body.
pub async fn get(router: &Router, path: &str) -> (StatusCode, HeaderMap, Vec<u8>) {
    let request = Request::get(path).body(Body::empty()).expect("a request");
    let Ok(response) = router.clone().oneshot(request).boxed().await;
    read(response).await
}

async fn read(response: Response<Body>) -> (StatusCode, HeaderMap, Vec<u8>) {
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.expect("a whole body");
    (parts.status, parts.headers, body.to_vec())
}

/// Compares the SDL of `S` with `schema/subgraphs/<name>.graphql`, and what it publishes with what it answers to
/// `_service { sdl }`. `UPDATE_EXPECT=1` rewrites the file.
#[track_caller]
pub fn check_sdl<S: Service>() {
    let path = workspace()
        .join("schema/subgraphs")
        .join(format!("{}.graphql", S::NAME));
    let sdl = S::sdl();
    assert_eq!(crate::graphql::normalize(&sdl), sdl, "the SDL is in normal form");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("the folder can be made");
        std::fs::write(&path, sdl).expect("the schema can be written");
        return;
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == sdl,
        "{} is out of date: run the test again with UPDATE_EXPECT=1",
        path.display()
    );
}

fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

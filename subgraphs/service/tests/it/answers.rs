//! Answers that are given to all who ask the same.

use async_graphql::{Context, EmptySubscription, Object, Schema};
use expect_test::expect;
use http::{HeaderMap, header};
use serde_json::{Value, json};
use service::auth::{RequireUser, Role, Viewer};
use service::graphql::{Endpoint, SharedAnswers, do_not_share};
use service::recent::Changes;
use service::testing::{Client, TestKeys, client};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(3_600);

/// How often something was resolved.
#[derive(Clone, Default)]
struct Count(Arc<AtomicU64>);

fn counted(context: &Context<'_>) -> u64 {
    let count = context.data_unchecked::<Count>();
    count.0.fetch_add(1, Ordering::SeqCst) + 1
}

struct Query;

#[Object]
impl Query {
    async fn count(&self, context: &Context<'_>, by: Option<u64>) -> u64 {
        counted(context) * by.unwrap_or(1)
    }

    async fn stock(&self, context: &Context<'_>) -> u64 {
        do_not_share(context);
        counted(context)
    }

    #[graphql(guard = "RequireUser")]
    async fn mine(&self, context: &Context<'_>) -> u64 {
        counted(context)
    }

    async fn broken(&self, context: &Context<'_>) -> async_graphql::Result<Option<u64>> {
        Err(counted(context).to_string().into())
    }

    async fn cookie(&self, context: &Context<'_>) -> u64 {
        context.insert_http_header("set-cookie", "a=b");
        counted(context)
    }
}

struct Mutation;

#[Object]
impl Mutation {
    async fn count(&self, context: &Context<'_>) -> u64 {
        counted(context)
    }
}

struct Shop {
    client: Client,
    keys: TestKeys,
    changes: Changes,
}

impl Shop {
    fn open(age_max: Duration) -> Shop {
        let (keys, changes, count) = (TestKeys::default(), Changes::default(), Count::default());
        let schema = move |mode| {
            let builder = Schema::build(Query, Mutation, EmptySubscription);
            builder.validation_mode(mode).data(count.clone()).finish()
        };
        let endpoint = Endpoint::new(schema, keys.verifier()).share(SharedAnswers::new(age_max, &changes));
        Shop {
            client: client(&endpoint.router()),
            keys,
            changes,
        }
    }

    async fn ask(&self, query: &str, viewer: Option<&Viewer>) -> Value {
        let token = viewer.map(|viewer| self.keys.token(viewer));
        let mut answer = self.client.query(query, json!({ "a": 1 }), token.as_deref()).await;
        answer["data"].take()
    }
}

fn customer(id: &str) -> Viewer {
    Viewer::user(id, &[Role::Customer])
}

#[tokio::test]
async fn everybody_without_scopes_is_given_the_same() {
    let shop = Shop::open(LONG);
    for viewer in [None, Some(customer("usr_1")), Some(customer("usr_2")), None] {
        assert_eq!(shop.ask("{ count }", viewer.as_ref()).await, json!({ "count": 1 }));
    }
    let support = Viewer::user("usr_3", &[Role::Support]);
    assert_eq!(shop.ask("{ count }", Some(&support)).await, json!({ "count": 2 }));
    assert_eq!(shop.ask("{ count }", Some(&support)).await, json!({ "count": 3 }));
    assert_eq!(
        shop.ask("{ count }", None).await,
        json!({ "count": 1 }),
        "not what staff were given"
    );
    assert_eq!(shop.ask("query Named { count }", None).await, json!({ "count": 4 }));
    assert_eq!(shop.ask("query Named { count }", None).await, json!({ "count": 4 }));
    assert_eq!(shop.ask("{ count(by: 10) }", None).await, json!({ "count": 50 }));
    shop.changes.note();
    assert_eq!(shop.ask("{ count }", None).await, json!({ "count": 6 }));
}

#[tokio::test]
async fn who_comes_with_a_bad_token_is_given_nothing() {
    let shop = Shop::open(LONG);
    shop.ask("{ count }", None).await;
    let answer = shop.client.query("{ count }", json!({ "a": 1 }), Some("forged")).await;
    assert!(answer["data"].is_null(), "{answer}");
}

#[tokio::test]
async fn what_must_not_be_repeated_is_made_each_time() {
    let shop = Shop::open(LONG);
    let token = shop.keys.token(&customer("usr_1"));
    let headers = HeaderMap::from_iter([(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap())]);
    let mut answers = Vec::new();
    for (query, operation) in [
        ("mutation { count }", None),
        ("{ stock }", None),
        ("{ mine }", None),
        ("{ broken }", None),
        ("{ cookie }", None),
        ("query A { count } mutation B { count }", Some("A")),
        ("query A { count } mutation B { count }", Some("B")),
    ] {
        let request = json!({ "query": query, "operationName": operation });
        for _ in 0..3 {
            let (_, headers, body) = shop.client.send(request.clone(), headers.clone()).await;
            let answer = String::from_utf8(body.to_vec()).unwrap();
            answers.push(format!("{} {answer}", headers.contains_key("set-cookie")));
        }
    }
    expect![[r#"
        false {"data":{"count":1}}
        false {"data":{"count":2}}
        false {"data":{"count":3}}
        false {"data":{"stock":4}}
        false {"data":{"stock":5}}
        false {"data":{"stock":6}}
        false {"data":{"mine":7}}
        false {"data":{"mine":8}}
        false {"data":{"mine":9}}
        false {"data":null,"errors":[{"message":"internal error","locations":[{"line":1,"column":3}],"path":["broken"],"extensions":{"code":"INTERNAL_SERVER_ERROR"}}]}
        false {"data":null,"errors":[{"message":"internal error","locations":[{"line":1,"column":3}],"path":["broken"],"extensions":{"code":"INTERNAL_SERVER_ERROR"}}]}
        false {"data":null,"errors":[{"message":"internal error","locations":[{"line":1,"column":3}],"path":["broken"],"extensions":{"code":"INTERNAL_SERVER_ERROR"}}]}
        true {"data":{"cookie":13}}
        true {"data":{"cookie":14}}
        true {"data":{"cookie":15}}
        false {"data":{"count":16}}
        false {"data":{"count":17}}
        false {"data":{"count":18}}
        false {"data":{"count":19}}
        false {"data":{"count":20}}
        false {"data":{"count":21}}"#]].assert_eq(&answers.join("\n"));
}

#[tokio::test]
async fn with_no_age_nothing_is_kept() {
    let shop = Shop::open(Duration::ZERO);
    for count in 1..4 {
        assert_eq!(shop.ask("{ count }", None).await, json!({ "count": count }));
    }
}

//! The products service, through GraphQL and its internal endpoints only.

mod access_table;
mod authorization;
mod browsing;
mod changes;
mod cursors;
mod entities;
mod facets;
mod media;
mod reservations;
mod search;
mod statements;
mod variants;

use products::{Products, ProductsConfig};
use serde_json::{Value, json};
use service::auth::Role;
use service::clock::Clock;
use service::testing::{TempSqlite, TestOptions, TestService, check_sdl, each_database};

/// The service with the demo shop, on SQLite.
struct Shop {
    service: TestService,
    _database: TempSqlite,
}

impl Shop {
    async fn open() -> Shop {
        Shop::open_with(ProductsConfig::default()).await
    }

    /// With everything read anew for each request.
    async fn open_without_memory() -> Shop {
        Shop::open_with(ProductsConfig {
            catalogue_age_max_ms: 0,
            ..ProductsConfig::default()
        })
        .await
    }

    async fn open_with(config: ProductsConfig) -> Shop {
        let database = TempSqlite::new();
        Shop {
            service: configured(&database.url, Clock::System, config).await,
            _database: database,
        }
    }

    /// The data of a query by nobody in particular, which must succeed.
    async fn data(&self, query: &str, variables: Value) -> Value {
        data(&self.service, query, variables, None).await
    }

    /// The data of a request by the administrator, which must succeed.
    async fn admin(&self, query: &str, variables: Value) -> Value {
        let token = admin(&self.service);
        data(&self.service, query, variables, Some(&token)).await
    }
}

async fn seeded(url: &str) -> TestService {
    started(url, Clock::System).await
}

async fn started(url: &str, clock: Clock) -> TestService {
    configured(url, clock, ProductsConfig::default()).await
}

async fn configured(url: &str, clock: Clock, config: ProductsConfig) -> TestService {
    let options = TestOptions {
        seed: true,
        clock,
        ..TestOptions::default()
    };
    TestService::start::<Products>(url, config, options).await
}

async fn data(service: &TestService, query: &str, variables: Value, token: Option<&str>) -> Value {
    let answer = service.query(query, variables, token).await;
    assert!(answer.get("errors").is_none(), "{answer:#}");
    answer["data"].clone()
}

fn admin(service: &TestService) -> String {
    service.keys.user(&service::id::seeded("usr", 0), &[Role::Admin])
}

/// Codes of the errors of an answer.
fn codes(answer: &Value) -> Vec<&str> {
    answer["errors"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|error| error["extensions"]["code"].as_str())
        .collect()
}

/// JSON to compare with a snapshot. Sorted, since a server answers the fields of an object as they get ready.
fn sorted(json: &Value) -> String {
    let mut json = json.clone();
    json.sort_all_objects();
    format!("{json:#}")
}

/// The values of `key` in a list of objects.
fn each<'a>(list: &'a Value, key: &str) -> Vec<&'a str> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(|node| node[key].as_str())
        .collect()
}

#[test]
fn the_schema_is_published() {
    check_sdl::<Products>();
}

#[tokio::test]
async fn the_demo_shop_has_its_promised_size_on_every_database() {
    each_database(|url| async move {
        let service = seeded(&url).await;
        let query = "{ products(first: 0) { totalCount } categories { name children { name children { name } } } }";
        let answer = data(&service, query, json!({}), None).await;
        assert_eq!(answer["products"]["totalCount"], 300);
        assert_eq!(each(&answer["categories"], "name").len(), 8);
        // A second start finds the tables filled.
        let again = seeded(&url).await;
        assert_eq!(data(&again, query, json!({}), None).await, answer);
        again.app.database.close().await;
        service.app.database.close().await;
    })
    .await;
}

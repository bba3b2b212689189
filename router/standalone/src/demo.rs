//! What a newcomer needs to see something: a demo shopper, one of their orders, and operations that show the graph.
//!
//! True only of databases that this package seeded; a shop that was emptied and filled anew has no demo.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use chrono::Utc;
use serde_json::json;
use server::playground::{ExampleOperation, PlaygroundConfig};
use service::auth::{AccessClaims, Role, Scopes, SigningKey, TokenSettings};
use service::seed;

use crate::DataFolder;

/// How long the token in GraphiQL works: a day of looking around. A login gives shorter ones.
const TOKEN_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// Email address of the demo shopper.
pub fn email() -> String {
    seed::users::user(seed::users::DEMO).email
}

/// Password of the demo shopper.
pub const PASSWORD: &str = seed::users::PASSWORD;

/// Id of a paid order of the demo shopper.
///
/// # Errors
/// When the seed data has none.
pub fn order_id() -> Result<String> {
    let shopper = seed::users::id(seed::users::DEMO);
    seed::orders::all()
        .iter()
        .find(|order| order.user_id == shopper && order.status == seed::orders::SeedOrderStatus::Paid)
        .map(|order| order.id.clone())
        .context("the seed data has no paid order of the demo shopper")
}

/// What GraphiQL begins with: the mission's query and others, and, for a shop that only this machine reaches, the demo
/// shopper's token.
pub(crate) fn playground(data: &DataFolder, address: SocketAddr) -> Result<PlaygroundConfig> {
    let headers = if address.ip().is_loopback() {
        let token = access_token(data)?;
        Some(serde_json::to_string_pretty(
            &json!({ "authorization": format!("Bearer {token}") }),
        )?)
    } else {
        None
    };
    Ok(PlaygroundConfig {
        endpoint: "/graphql".into(),
        title: "Hansa".into(),
        headers,
        examples: examples()?,
    })
}

fn examples() -> Result<Vec<ExampleOperation>> {
    let operations = [
        (
            include_str!("../../../schema/operations/mission.graphql"),
            json!({ "id": order_id()? }),
        ),
        (
            include_str!("../../../schema/operations/shop_front.graphql"),
            json!({ "query": "lamp" }),
        ),
        (
            include_str!("../../../schema/operations/reviews_later.graphql"),
            json!({ "query": "lamp" }),
        ),
        (include_str!("../../../schema/operations/my_orders.graphql"), json!({})),
        (
            include_str!("../../../schema/operations/login.graphql"),
            json!({ "email": email(), "password": PASSWORD }),
        ),
    ];
    operations
        .into_iter()
        .map(|(query, variables)| {
            Ok(ExampleOperation {
                query: query.into(),
                variables: Some(serde_json::to_string_pretty(&variables)?),
            })
        })
        .collect()
}

/// A token of the demo shopper, signed with the key that the users service signs with.
fn access_token(data: &DataFolder) -> Result<String> {
    let folder = data.token_keys();
    let newest = std::fs::read_dir(&folder)
        .and_then(Iterator::collect::<std::io::Result<Vec<_>>>)
        .with_context(|| format!("the keys in {} cannot be read", folder.display()))?
        .into_iter()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "pem"))
        .max()
        .with_context(|| format!("there is no key in {}", folder.display()))?;
    let key = SigningKey::from_pem(&std::fs::read_to_string(newest)?)?;
    let settings = TokenSettings::default();
    let now = Utc::now();
    let roles = vec![Role::Customer];
    Ok(key.sign(&AccessClaims {
        iss: settings.issuer,
        aud: settings.audience,
        sub: seed::users::id(seed::users::DEMO),
        sid: None,
        exp: (now + TOKEN_LIFE).timestamp(),
        iat: now.timestamp(),
        scope: Scopes::of(&roles).to_string(),
        roles,
    })?)
}

//! The mission's query, in both shapes: one order with data of all five services.

use anyhow::{Context, Result};
use e2e::deployment::{Deployment, Shape};
use serde_json::{Value, json};
use standalone::demo;

const MISSION: &str = include_str!("../../../../schema/operations/mission.graphql");

async fn ask(shop: &Deployment) -> Result<Value> {
    let token = shop.login(&demo::email(), demo::PASSWORD).await?;
    shop.graphql(MISSION, json!({ "id": demo::order_id()? }), Some(&token))
        .await
}

fn check_complete(answer: &Value) -> Result<()> {
    assert_eq!(answer.get("errors"), None, "{answer:#}");
    let order = &answer["data"]["order"];
    assert!(
        order["number"].as_str().context("number")?.starts_with('#'),
        "{order:#}"
    );
    assert_eq!(order["status"], "PAID");
    assert_eq!(
        order["user"]["displayName"],
        service::seed::users::user(service::seed::users::DEMO).display_name
    );
    let lines = order["lines"]["nodes"].as_array().context("lines")?;
    assert!(!lines.is_empty());
    for line in lines {
        assert!(line["title"].is_string(), "{line:#}");
        assert!(line["unitPrice"]["amount"].is_string(), "{line:#}");
        assert!(line["variant"]["price"]["amount"].is_string(), "{line:#}");
        assert!(line["variant"]["quantityAvailable"].is_u64(), "{line:#}");
        assert!(line["variant"]["product"]["title"].is_string(), "{line:#}");
        assert!(line["variant"]["product"]["rating"]["count"].is_u64(), "{line:#}");
    }
    assert_eq!(order["payments"][0]["status"], "CAPTURED", "{order:#}");
    assert_eq!(order["payments"][0]["capturedAmount"], order["total"], "{order:#}");
    Ok(())
}

/// The two shapes share no process, no socket and no database file; their answers are the same to the byte.
#[tokio::test(flavor = "multi_thread")]
async fn one_process_and_six_answer_alike() -> Result<()> {
    let one = Deployment::start(Shape::OneProcess)?;
    let from_one = ask(&one).await?;
    check_complete(&from_one)?;
    drop(one);

    let six = Deployment::start(Shape::SixProcesses)?;
    let from_six = ask(&six).await?;
    assert_eq!(from_six.to_string(), from_one.to_string());
    Ok(())
}

/// Without products, an order keeps its own snapshot, its buyer and its payments; with products back, all is well again.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_service_nulls_only_its_part() -> Result<()> {
    let mut shop = Deployment::start(Shape::SixProcesses)?;
    let whole = ask(&shop).await?;
    check_complete(&whole)?;

    shop.kill("products")?;
    let partial = ask(&shop).await?;
    let errors = partial["errors"].as_array().context("errors")?;
    assert_eq!(errors.len(), 1, "one error for one dead service: {errors:#?}");
    // The README shows this error.
    let expected = json!({
        "message": "subgraph `products` could not be reached",
        "path": ["order", "lines", "nodes", 0, "variant"],
        "extensions": { "code": "SUBREQUEST_HTTP_ERROR", "service": "products", "reason": "unreachable" },
    });
    assert_eq!(errors[0], expected);
    let mut expected = whole["data"].clone();
    for line in expected["order"]["lines"]["nodes"].as_array_mut().context("lines")? {
        line["variant"] = Value::Null;
    }
    assert_eq!(partial["data"], expected);

    shop.start_service("products")?;
    assert_eq!(ask(&shop).await?, whole);
    Ok(())
}

//! Every query and mutation, tried by everybody. A field without a row here fails the test.

use crate::shop::{Shop, user_errors};
use serde_json::{Value, json};
use service::seed::users as seed;
use service::testing::TempSqlite;
use std::collections::BTreeSet;

const NOT_SIGNED_IN: &str = "UNAUTHENTICATED";
const NO_SCOPE: &str = "UNAUTHORIZED_FIELD_OR_TYPE";
const ADDRESS: &str = "input: { name: \"a\", line1: \"b\", city: \"c\", countryCode: \"DE\" }";

/// A field, a selection of it that is about Ada where it can be, and what nobody, another customer, support and an
/// admin get: `""` for success, else the code of the error or the user error.
type Row = (&'static str, String, [&'static str; 4]);

fn queries() -> Vec<Row> {
    let row = |field, selection: &str, expected| (field, format!("{field}{selection}"), expected);
    vec![
        row("me", " { id email }", ["", "", "", ""]),
        row("user", "(id: $user) { id }", [NOT_SIGNED_IN, NO_SCOPE, "", ""]),
        row("users", "(first: 1) { totalCount }", [NOT_SIGNED_IN, NO_SCOPE, "", ""]),
    ]
}

fn mutations() -> Vec<Row> {
    let row = |field, selection: &str, expected| {
        let selection = selection.replace("ADDRESS", ADDRESS);
        (
            field,
            format!("{field}{selection} {{ userErrors {{ code field }} }}"),
            expected,
        )
    };
    let own = [NOT_SIGNED_IN, "", "", ""];
    let wrong = |error: &'static str| [NOT_SIGNED_IN, error, error, error];
    let not_found = wrong("NOT_FOUND@id");
    let invalid = |error: &'static str| [error; 4];
    vec![
        row(
            "userRegister",
            "(input: { email: \"ada@hansa.example\", password: \"a good password\", displayName: \"x\" })",
            invalid("EMAIL_TAKEN@input.email"),
        ),
        row(
            "userLogin",
            "(input: { email: \"ada@hansa.example\", password: \"wrong\" })",
            invalid("INVALID_CREDENTIALS@"),
        ),
        row(
            "userTokenRefresh",
            "(refreshToken: \"x\")",
            invalid("TOKEN_INVALID@refreshToken"),
        ),
        row("userLogout", "", own),
        row("userUpdate", "(input: { displayName: \"x\" })", own),
        row(
            "userPasswordChange",
            "(currentPassword: \"wrong\", newPassword: \"a good password\")",
            wrong("INVALID_CREDENTIALS@currentPassword"),
        ),
        row(
            "userPasswordResetRequest",
            "(email: \"ada@hansa.example\")",
            invalid(""),
        ),
        row(
            "userPasswordReset",
            "(token: \"x\", newPassword: \"a good password\")",
            invalid("TOKEN_INVALID@token"),
        ),
        row("userEmailVerificationRequest", "", own),
        row("userEmailVerify", "(token: \"x\")", invalid("TOKEN_INVALID@token")),
        row(
            "userEmailChangeRequest",
            "(newEmail: \"new@example.com\", password: \"wrong\")",
            wrong("INVALID_CREDENTIALS@password"),
        ),
        row("addressCreate", "(ADDRESS)", own),
        row("addressUpdate", "(id: $address, ADDRESS)", not_found),
        row("addressDelete", "(id: $address)", not_found),
        row(
            "userDelete",
            "(password: \"wrong\")",
            wrong("INVALID_CREDENTIALS@password"),
        ),
        row(
            "userRolesSet",
            "(userId: $user, roles: [CUSTOMER])",
            [NOT_SIGNED_IN, NO_SCOPE, NO_SCOPE, ""],
        ),
    ]
}

#[tokio::test]
async fn every_field_knows_who_may_use_it() {
    let database = TempSqlite::new();
    let shop = Shop::start(&database.url).await;
    let viewers = [
        ("nobody", None),
        ("another customer", Some(shop.customer("mira").await)),
        ("support", Some(shop.demo("support").await)),
        ("admin", Some(shop.demo("admin").await)),
    ];
    let ada = shop.demo("ada").await;
    let about_ada = "{ me { displayName email roles addresses { id name city } sessions { id } } }";
    let before = shop.data(about_ada, json!({}), Some(&ada)).await;
    for (kind, rows) in [("query", queries()), ("mutation", mutations())] {
        check_complete(&shop, kind, &rows).await;
        for (field, selection, expected) in rows {
            for ((viewer, token), expected) in viewers.iter().zip(expected) {
                let got = outcome(&shop, kind, &selection, token.as_deref()).await;
                assert_eq!(got, expected, "{field} by {viewer}");
            }
        }
    }
    assert_eq!(
        shop.data(about_ada, json!({}), Some(&ada)).await,
        before,
        "nothing of Ada's has changed"
    );
}

async fn outcome(shop: &Shop, kind: &str, selection: &str, token: Option<&str>) -> String {
    let uses = |name: &str| selection.contains(name);
    let declared = [("$user", "$user: ID!"), ("$address", "$address: ID!")];
    let declared: Vec<&str> = declared
        .iter()
        .filter(|(name, _)| uses(name))
        .map(|(_, text)| *text)
        .collect();
    let declared = if declared.is_empty() {
        String::new()
    } else {
        format!("({})", declared.join(", "))
    };
    let operation = format!("{kind}{declared} {{ done: {selection} }}");
    let variables = json!({ "user": seed::id(seed::DEMO), "address": seed::address_id(seed::DEMO, 0) });
    let answer = shop.service.query(&operation, variables, token).await;
    if let Some(error) = answer["errors"].as_array().and_then(|errors| errors.first()) {
        return error["extensions"]["code"].as_str().unwrap_or("no code").to_owned();
    }
    match &answer["data"]["done"] {
        payload if payload.get("userErrors").is_some() => user_errors(payload),
        _ => String::new(),
    }
}

async fn check_complete(shop: &Shop, kind: &str, rows: &[Row]) {
    let query = "{ __schema { query: queryType { fields { name } } mutation: mutationType { fields { name } } } }";
    let data = shop.data(query, json!({}), None).await;
    let fields = data["__schema"][kind]["fields"].as_array().unwrap().iter();
    let names = fields.map(|field: &Value| field["name"].as_str().unwrap().to_owned());
    // The federation's own: entities have tests of their own, and the schema is for everybody.
    let exposed: BTreeSet<String> = names.filter(|name| !name.starts_with('_')).collect();
    let tried: BTreeSet<String> = rows.iter().map(|(field, _, _)| (*field).to_owned()).collect();
    assert_eq!(tried, exposed, "each {kind} has a row");
}

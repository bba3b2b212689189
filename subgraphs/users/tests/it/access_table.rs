//! Who may do what: every field of the service, tried by everybody. Here an account and its addresses are the owner's.

use crate::shop::{PASSWORD, Shop};
use expect_test::expect_file;
use serde_json::{Value, json};
use service::seed::users as seed;
use service::testing::TempSqlite;
use service::testing::access::{AccessTable, VIEWERS, Variables};
use users::Users;

/// What each viewer proves to be themself with, in the order of [`VIEWERS`].
const PASSWORDS: [&str; 5] = ["", PASSWORD, seed::PASSWORD, seed::PASSWORD, seed::PASSWORD];

/// Things of which a try uses one up, so that each viewer gets their own.
struct Supplies {
    refresh_tokens: Vec<String>,
    verifications: Vec<String>,
    resets: Vec<String>,
    /// The owner's.
    addresses: Vec<String>,
    /// Strangers to everybody.
    users: Vec<String>,
}

#[tokio::test]
async fn everybody_tries_everything() {
    let database = TempSqlite::new();
    let shop = Shop::start(&database.url).await;
    let owner = shop.demo("ada").await;
    let tokens = [
        None,
        Some(shop.customer("mira").await),
        Some(owner.clone()),
        Some(shop.demo("support").await),
        Some(shop.demo("admin").await),
    ];
    let supplies = Supplies::gather(&shop, &owner).await;
    let mut table = AccessTable::with_tokens::<Users>(&shop.service, tokens);
    for (typename, id) in [
        ("User", seed::id(seed::DEMO)),
        ("Address", supplies.addresses[0].clone()),
    ] {
        table
            .try_entity(&json!({ "__typename": typename, "id": id }), &[])
            .await;
    }
    try_queries(&mut table).await;
    try_sign_in(&mut table, &supplies).await;
    try_accounts(&mut table, &supplies).await;
    try_addresses(&mut table, &supplies).await;
    // Last, since it takes everybody away.
    let delete = "mutation($password: String!) { userDelete(password: $password) { userErrors { code } } }";
    let password = |viewer: usize| json!({ "password": PASSWORDS[viewer] });
    table.try_field("Mutation.userDelete", delete, &password).await;
    expect_file!["access_table.txt"].assert_eq(&table.text());
}

async fn try_queries(table: &mut AccessTable<'_>) {
    let ada = |_| json!({ "id": seed::id(seed::DEMO) });
    table.try_field("Query.me", "{ me { id email } }", &|_| json!({})).await;
    table
        .try_field("Query.user", "query($id: ID!) { user(id: $id) { id } }", &ada)
        .await;
    table
        .try_field("Query.users", "{ users { totalCount } }", &|_| json!({}))
        .await;
}

async fn try_sign_in(table: &mut AccessTable<'_>, supplies: &Supplies) {
    let mutation = |declaration: &str, call: &str, selection: &str| {
        format!("mutation{declaration} {{ {call} {{ {selection} userErrors {{ code }} }} }}")
    };
    let register = |viewer| json!({ "input": { "email": format!("new{viewer}@example.com"), "password": PASSWORD, "displayName": "New" } });
    let login = |_| json!({ "input": { "email": "ada@hansa.example", "password": seed::PASSWORD } });
    let refresh = |viewer: usize| json!({ "token": supplies.refresh_tokens[viewer] });
    let reset = |viewer: usize| json!({ "token": supplies.resets[viewer], "password": "another good one" });
    let verify = |viewer: usize| json!({ "token": supplies.verifications[viewer] });
    let nothing = |_| json!({});
    let rows: [(&str, &str, &str, Variables<'_>); 6] = [
        (
            "userRegister",
            "($input: UserRegisterInput!)",
            "userRegister(input: $input)",
            &register,
        ),
        (
            "userLogin",
            "($input: UserLoginInput!)",
            "userLogin(input: $input)",
            &login,
        ),
        (
            "userTokenRefresh",
            "($token: String)",
            "userTokenRefresh(refreshToken: $token)",
            &refresh,
        ),
        (
            "userEmailVerify",
            "($token: String!)",
            "userEmailVerify(token: $token)",
            &verify,
        ),
        (
            "userPasswordReset",
            "($token: String!, $password: String!)",
            "userPasswordReset(token: $token, newPassword: $password)",
            &reset,
        ),
        ("userLogout", "", "userLogout", &nothing),
    ];
    for (field, declaration, call, variables) in rows {
        table
            .try_field(
                &format!("Mutation.{field}"),
                &mutation(declaration, call, ""),
                variables,
            )
            .await;
    }
    let reset_request =
        "mutation { userPasswordResetRequest(email: \"ada@hansa.example\") { accepted userErrors { code } } }";
    table
        .try_field("Mutation.userPasswordResetRequest", reset_request, &nothing)
        .await;
}

async fn try_accounts(table: &mut AccessTable<'_>, supplies: &Supplies) {
    let update = "mutation($input: UserUpdateInput!) { userUpdate(input: $input) { userErrors { code } } }";
    table
        .try_field(
            "Mutation.userUpdate",
            update,
            &|_| json!({ "input": { "locale": "de" } }),
        )
        .await;
    let address = |_| json!({ "input": { "defaultShippingAddressId": supplies.addresses[0] } });
    table
        .try_field("Mutation.userUpdate (the owner's address)", update, &address)
        .await;
    let change =
        "mutation($password: String!) { userPasswordChange(currentPassword: $password, newPassword: $password) {
        userErrors { code } } }";
    let password = |viewer: usize| json!({ "password": PASSWORDS[viewer] });
    table.try_field("Mutation.userPasswordChange", change, &password).await;
    let verification = "mutation { userEmailVerificationRequest { accepted userErrors { code } } }";
    table
        .try_field("Mutation.userEmailVerificationRequest", verification, &|_| json!({}))
        .await;
    let email = "mutation($email: String!, $password: String!) { userEmailChangeRequest(newEmail: $email, password: $password) {
        userErrors { code } } }";
    let new_email =
        |viewer: usize| json!({ "email": format!("moved{viewer}@example.com"), "password": PASSWORDS[viewer] });
    table
        .try_field("Mutation.userEmailChangeRequest", email, &new_email)
        .await;
    let roles = "mutation($id: ID!) { userRolesSet(userId: $id, roles: [SUPPORT]) { userErrors { code } } }";
    let user = |viewer: usize| json!({ "id": supplies.users[viewer] });
    table.try_field("Mutation.userRolesSet", roles, &user).await;
}

async fn try_addresses(table: &mut AccessTable<'_>, supplies: &Supplies) {
    let create = "mutation($input: AddressInput!) { addressCreate(input: $input) { userErrors { code } } }";
    table
        .try_field("Mutation.addressCreate", create, &|_| json!({ "input": address() }))
        .await;
    let update =
        "mutation($id: ID!, $input: AddressInput!) { addressUpdate(id: $id, input: $input) { userErrors { code } } }";
    let changed = |viewer: usize| json!({ "id": supplies.addresses[viewer], "input": address() });
    table.try_field("Mutation.addressUpdate", update, &changed).await;
    let delete = "mutation($id: ID!) { addressDelete(id: $id) { userErrors { code } } }";
    let gone = |viewer: usize| json!({ "id": supplies.addresses[viewer] });
    table.try_field("Mutation.addressDelete", delete, &gone).await;
}

/// Every field has a value, so that one that nobody sees stands out.
fn address() -> Value {
    json!({
        "name": "Ada", "company": "Lindqvist", "line1": "Street 1", "line2": "Floor 2", "city": "Berlin",
        "region": "BE", "postalCode": "10115", "countryCode": "DE", "phone": "+49301234567",
    })
}

impl Supplies {
    async fn gather(shop: &Shop, owner: &str) -> Supplies {
        let mut supplies = Supplies {
            refresh_tokens: Vec::new(),
            verifications: Vec::new(),
            resets: Vec::new(),
            addresses: Vec::new(),
            users: Vec::new(),
        };
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        for number in 0..VIEWERS.len() {
            let name = format!("spare{number}");
            let email = format!("{name}@example.com");
            let registered = shop.register(&name).await;
            supplies.users.push(text(&registered["user"]["id"]));
            supplies
                .refresh_tokens
                .push(text(&registered["tokens"]["refreshToken"]));
            supplies.verifications.push(shop.mailed_token(&email, 1).await);
            let reset = "mutation($email: String!) { userPasswordResetRequest(email: $email) { accepted } }";
            shop.data(reset, json!({ "email": email }), None).await;
            supplies.resets.push(shop.mailed_token(&email, 2).await);
            let create = "mutation($input: AddressInput!) { addressCreate(input: $input) { address { id } } }";
            let created = shop.data(create, json!({ "input": address() }), Some(owner)).await;
            supplies
                .addresses
                .push(text(&created["addressCreate"]["address"]["id"]));
        }
        let profile = json!({
            "phone": "+49301234567", "locale": "sv", "avatarUrl": "https://example.com/ada.png",
            "defaultShippingAddressId": supplies.addresses[0], "defaultBillingAddressId": supplies.addresses[0],
        });
        let update = "mutation($input: UserUpdateInput!) { userUpdate(input: $input) { userErrors { code field } } }";
        let updated = shop.data(update, json!({ "input": profile }), Some(owner)).await;
        assert_eq!(updated["userUpdate"]["userErrors"], json!([]));
        supplies
    }
}

//! Input types.

use crate::accounts::NewAccount;
use crate::domain;
use async_graphql::{ID, InputObject, MaybeUndefined};

#[derive(InputObject)]
pub struct UserRegisterInput {
    email: String,
    password: String,
    display_name: String,
    locale: Option<String>,
}

impl From<UserRegisterInput> for NewAccount {
    fn from(input: UserRegisterInput) -> NewAccount {
        NewAccount {
            email: input.email,
            password: input.password,
            display_name: input.display_name,
            locale: input.locale,
        }
    }
}

#[derive(InputObject)]
pub struct UserLoginInput {
    pub(super) email: String,
    pub(super) password: String,
    /// Set the refresh token as an HttpOnly cookie.
    #[graphql(default_with = "Some(false)")]
    pub(super) use_cookie: Option<bool>,
}

#[derive(InputObject)]
pub struct UserUpdateInput {
    display_name: Option<String>,
    phone: MaybeUndefined<String>,
    locale: MaybeUndefined<String>,
    avatar_url: MaybeUndefined<String>,
    default_shipping_address_id: MaybeUndefined<ID>,
    default_billing_address_id: MaybeUndefined<ID>,
}

impl From<UserUpdateInput> for domain::ProfileChange {
    fn from(input: UserUpdateInput) -> domain::ProfileChange {
        domain::ProfileChange {
            display_name: input.display_name,
            phone: input.phone.into(),
            locale: input.locale.into(),
            avatar_url: input.avatar_url.into(),
            default_shipping_address_id: input.default_shipping_address_id.map_value(|id| id.0).into(),
            default_billing_address_id: input.default_billing_address_id.map_value(|id| id.0).into(),
        }
    }
}

#[derive(InputObject)]
pub struct AddressInput {
    name: String,
    company: Option<String>,
    line1: String,
    line2: Option<String>,
    city: String,
    region: Option<String>,
    postal_code: Option<String>,
    country_code: String,
    phone: Option<String>,
}

impl From<AddressInput> for domain::AddressInput {
    fn from(input: AddressInput) -> domain::AddressInput {
        domain::AddressInput {
            name: input.name,
            company: input.company,
            line1: input.line1,
            line2: input.line2,
            city: input.city,
            region: input.region,
            postal_code: input.postal_code,
            country_code: input.country_code,
            phone: input.phone,
        }
    }
}

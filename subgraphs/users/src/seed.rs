//! Fills empty tables with the people of the demo shop.

use crate::domain::{Address, AddressInput, Profile, User};
use crate::password_hasher::hash;
use crate::store::{Credentials, Store};
use service::database::Database;
use service::seed::users::{self, SeedAddress, SeedUser};

/// Does nothing when there are accounts already.
pub(crate) async fn seed(database: &Database) -> anyhow::Result<()> {
    let store = Store::new(database.clone());
    if store.has_users().await? {
        return Ok(());
    }
    // One hash for all: a hundred would take seconds, and everybody may know this password anyhow.
    let password_hash = hash(users::PASSWORD)?;
    let accounts = users::users().map(|seed| Credentials {
        user: user(&seed),
        password_hash: password_hash.clone(),
    });
    let addresses = users::users().flat_map(|seed| {
        let user_id = seed.id;
        seed.addresses.into_iter().map(move |seed| address(&user_id, seed))
    });
    store.create_all(accounts.collect(), addresses.collect()).await?;
    Ok(())
}

fn user(seed: &SeedUser) -> User {
    let home = seed.addresses.first().map(|address| address.id.clone());
    User {
        id: seed.id.clone(),
        email: seed.email.clone(),
        email_verified: true,
        profile: Profile {
            display_name: seed.display_name.clone(),
            phone: Some(seed.phone.clone()),
            locale: Some(seed.locale.to_owned()),
            avatar_url: None,
        },
        roles: seed.roles.clone(),
        default_shipping_address_id: home.clone(),
        default_billing_address_id: home,
        created_at: seed.created_at,
        updated_at: seed.created_at,
    }
}

fn address(user_id: &str, seed: SeedAddress) -> Address {
    Address {
        id: seed.id,
        user_id: user_id.to_owned(),
        postal: AddressInput {
            name: seed.name,
            company: seed.company.map(str::to_owned),
            line1: seed.line1,
            line2: None,
            city: seed.city.to_owned(),
            region: seed.region.map(str::to_owned),
            postal_code: Some(seed.postal_code.to_owned()),
            country_code: seed.country_code.to_owned(),
            phone: Some(seed.phone),
        },
    }
}

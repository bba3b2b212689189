//! What other services may ask: see `README.md`, "Internal contract".

use crate::domain::{Address, User};
use crate::store::Store;
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use http::StatusCode;
use service::contract::users::{Buyer, BuyerReply, BuyerRequest, PostalAddress};

/// `POST /internal/buyer`.
pub(crate) fn router(store: Store) -> Router {
    Router::new().route("/internal/buyer", post(buyer)).with_state(store)
}

async fn buyer(State(store): State<Store>, Json(request): Json<BuyerRequest>) -> Result<Json<BuyerReply>, StatusCode> {
    find(&store, request).await.map(Json).map_err(|error| {
        tracing::error!(error = format!("{error:#}"), "A buyer could not be read");
        StatusCode::INTERNAL_SERVER_ERROR
    })
}

async fn find(store: &Store, request: BuyerRequest) -> anyhow::Result<BuyerReply> {
    let Some(user) = store.user(&request.user_id).await? else {
        return Ok(BuyerReply {
            user: None,
            address: None,
        });
    };
    let address = match request.address_id {
        Some(id) => store.addresses_by_id(vec![id.clone()]).await?.remove(&id),
        None => None,
    };
    let own = address.filter(|address| address.user_id == user.id);
    Ok(BuyerReply {
        user: Some(buyer_of(user)),
        address: own.map(postal_address),
    })
}

fn buyer_of(user: User) -> Buyer {
    Buyer {
        id: user.id,
        display_name: user.profile.display_name,
        email: user.email,
        locale: user.profile.locale,
        email_verified: user.email_verified,
    }
}

fn postal_address(Address { id, postal, .. }: Address) -> PostalAddress {
    PostalAddress {
        id: Some(id),
        name: postal.name,
        company: postal.company,
        line1: postal.line1,
        line2: postal.line2,
        city: postal.city,
        region: postal.region,
        postal_code: postal.postal_code,
        country_code: postal.country_code,
        phone: postal.phone,
    }
}

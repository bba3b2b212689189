//! What mutations answer.

use super::address::Address;
use super::user::User;
use crate::accounts::{Answer, Failure, Tokens};
use crate::domain;
use async_graphql::{Enum, ID, Result, SimpleObject};
use service::graphql::{REQUEST_RATE_LIMITED, error};
use service::scalars::DateTime;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "domain::Reason")]
pub enum UserErrorCode {
    EmailInvalid,
    EmailTaken,
    PasswordTooShort,
    PasswordTooCommon,
    InvalidCredentials,
    TooManyAttempts,
    TokenInvalid,
    TokenExpired,
    NotFound,
    Required,
    Invalid,
    AddressLimitReached,
}

service::user_error!(UserUserError, UserErrorCode);

impl From<domain::Refusal> for UserUserError {
    fn from(refusal: domain::Refusal) -> UserUserError {
        let error = UserUserError::new(refusal.reason.into(), refusal.message);
        if refusal.field.is_empty() {
            error
        } else {
            error.at(refusal.field)
        }
    }
}

/// What was done, or why not: refusals become `userErrors`, faults an error of the field.
pub(super) fn outcome<T>(answer: Answer<T>) -> Result<(Option<T>, Vec<UserUserError>)> {
    match answer {
        Ok(done) => Ok((Some(done), Vec::new())),
        Err(Failure::Refused(refusals)) => Ok((None, refusals.into_iter().map(UserUserError::from).collect())),
        Err(Failure::Busy) => {
            let message = "too much is asked of us at the moment; try again in a few seconds";
            Err(error(REQUEST_RATE_LIMITED, message))
        }
        Err(Failure::Fault(fault)) => Err(fault.into()),
    }
}

/// Tokens as returned by login and refresh. The access token is a short JWT (EdDSA) that any service checks against /.well-known/jwks.json.
#[derive(SimpleObject)]
pub struct AuthTokens {
    access_token: String,
    access_token_expires_at: DateTime,
    /// Opaque, single use: refreshing rotates it, and reuse of an old one ends the whole family. Null when it was set as an HttpOnly cookie.
    refresh_token: Option<String>,
    refresh_token_expires_at: DateTime,
}

impl AuthTokens {
    /// The tokens, with the refresh token unless it goes into a cookie.
    pub(super) fn new(tokens: Tokens, in_cookie: bool) -> AuthTokens {
        AuthTokens {
            access_token: tokens.access,
            access_token_expires_at: tokens.access_expires_at.into(),
            refresh_token: (!in_cookie).then(|| tokens.refresh.text().to_owned()),
            refresh_token_expires_at: tokens.refresh_expires_at.into(),
        }
    }
}

#[derive(SimpleObject)]
pub struct UserRegisterPayload {
    pub(super) accepted: bool,
    pub(super) user: Option<User>,
    pub(super) tokens: Option<AuthTokens>,
    pub(super) user_errors: Vec<UserUserError>,
}

#[derive(SimpleObject)]
pub struct UserLoginPayload {
    pub(super) user: Option<User>,
    pub(super) tokens: Option<AuthTokens>,
    pub(super) user_errors: Vec<UserUserError>,
}

#[derive(SimpleObject)]
pub struct UserTokenRefreshPayload {
    pub(super) tokens: Option<AuthTokens>,
    pub(super) user_errors: Vec<UserUserError>,
}

#[derive(SimpleObject)]
pub struct UserLogoutPayload {
    pub(super) user_errors: Vec<UserUserError>,
}

#[derive(SimpleObject)]
pub struct UserUpdatePayload {
    user: Option<User>,
    user_errors: Vec<UserUserError>,
}

impl UserUpdatePayload {
    pub(super) fn new(answer: Answer<domain::User>) -> Result<UserUpdatePayload> {
        UserUpdatePayload::with(answer, User::from)
    }

    /// The answer to somebody who has proven who they are; see [`User::proven`].
    pub(super) fn proven(answer: Answer<domain::User>) -> Result<UserUpdatePayload> {
        UserUpdatePayload::with(answer, User::proven)
    }

    fn with(answer: Answer<domain::User>, convert: fn(domain::User) -> User) -> Result<UserUpdatePayload> {
        let (user, user_errors) = outcome(answer)?;
        Ok(UserUpdatePayload {
            user: user.map(convert),
            user_errors,
        })
    }
}

#[derive(SimpleObject)]
pub struct UserMessagePayload {
    accepted: bool,
    user_errors: Vec<UserUserError>,
}

impl UserMessagePayload {
    pub(super) fn new(answer: Answer<()>) -> Result<UserMessagePayload> {
        let (accepted, user_errors) = outcome(answer)?;
        Ok(UserMessagePayload {
            accepted: accepted.is_some(),
            user_errors,
        })
    }
}

#[derive(SimpleObject)]
pub struct UserDeletePayload {
    deleted_user_id: Option<ID>,
    user_errors: Vec<UserUserError>,
}

impl UserDeletePayload {
    pub(super) fn new(answer: Answer<String>) -> Result<UserDeletePayload> {
        let (id, user_errors) = outcome(answer)?;
        Ok(UserDeletePayload {
            deleted_user_id: id.map(ID),
            user_errors,
        })
    }
}

#[derive(SimpleObject)]
pub struct AddressPayload {
    address: Option<Address>,
    user: Option<User>,
    user_errors: Vec<UserUserError>,
}

impl AddressPayload {
    pub(super) fn new(answer: Answer<(domain::Address, domain::User)>) -> Result<AddressPayload> {
        let (done, user_errors) = outcome(answer)?;
        let (address, user) = done.unzip();
        Ok(AddressPayload {
            address: address.map(Address::from),
            user: user.map(User::from),
            user_errors,
        })
    }
}

#[derive(SimpleObject)]
pub struct AddressDeletePayload {
    deleted_address_id: Option<ID>,
    user: Option<User>,
    user_errors: Vec<UserUserError>,
}

impl AddressDeletePayload {
    pub(super) fn new(id: ID, answer: Answer<domain::User>) -> Result<AddressDeletePayload> {
        let (user, user_errors) = outcome(answer)?;
        let deleted_address_id = user.is_some().then_some(id);
        Ok(AddressDeletePayload {
            deleted_address_id,
            user: user.map(User::from),
            user_errors,
        })
    }
}

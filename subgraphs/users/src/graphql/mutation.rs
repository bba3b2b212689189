//! `Mutation`: finds out who asks, calls the use case, wraps the answer.

use super::inputs::{AddressInput, UserLoginInput, UserRegisterInput, UserUpdateInput};
use super::payloads::{
    AddressDeletePayload, AddressPayload, AuthTokens, UserDeletePayload, UserLoginPayload, UserLogoutPayload,
    UserMessagePayload, UserRegisterPayload, UserTokenRefreshPayload, UserUpdatePayload, outcome,
};
use super::user::{Role, User};
use crate::accounts::{Accounts, Answer, Failure, SignedIn, Tokens};
use crate::domain::{Device, Refusal};
use async_graphql::{Context, ID, Object, Result};
use service::auth::{RequireScope, ViewerExt};
use service::graphql::ClientInfo;

pub struct Mutation;

#[Object]
impl Mutation {
    /// Creates an account and signs it in. With enumeration protection on: no tokens and no EMAIL_TAKEN, the answer is always `accepted`, and the rest happens by email.
    async fn user_register(&self, context: &Context<'_>, input: UserRegisterInput) -> Result<UserRegisterPayload> {
        let answer = context
            .data::<Accounts>()?
            .register(input.into(), device(context))
            .await;
        let (done, user_errors) = outcome(answer)?;
        let accepted = done.is_some();
        let (user, tokens) = done.flatten().map(|SignedIn { user, tokens }| (user, tokens)).unzip();
        let tokens = tokens.map(|tokens| AuthTokens::new(tokens, false));
        Ok(UserRegisterPayload {
            accepted,
            user: user.map(User::proven),
            tokens,
            user_errors,
        })
    }

    async fn user_login(&self, context: &Context<'_>, input: UserLoginInput) -> Result<UserLoginPayload> {
        let accounts = context.data::<Accounts>()?;
        let answer = accounts.login(&input.email, &input.password, device(context)).await;
        login_payload(context, answer, input.use_cookie.unwrap_or_default())
    }

    /// Rotates the refresh token. `refreshToken` may be left out when the cookie is used.
    async fn user_token_refresh(
        &self,
        context: &Context<'_>,
        refresh_token: Option<String>,
    ) -> Result<UserTokenRefreshPayload> {
        let cookie = refresh_cookie(context);
        let in_cookie = refresh_token.is_none() && cookie.is_some();
        let token = refresh_token.as_deref().or(cookie).unwrap_or_default();
        let answer = context.data::<Accounts>()?.refresh(token).await;
        // What is good for nothing any more is taken away, since no script can.
        let is_over = matches!(&answer, Err(Failure::Refused(refusals)) if refusals.iter().any(Refusal::is_over));
        let (tokens, user_errors) = outcome(answer)?;
        if in_cookie && (tokens.is_some() || is_over) {
            set_cookie(context, tokens.as_ref())?;
        }
        Ok(UserTokenRefreshPayload {
            tokens: tokens.map(|tokens| AuthTokens::new(tokens, in_cookie)),
            user_errors,
        })
    }

    /// Ends this session, or every session. With the cookie it works when the access token has expired, too.
    async fn user_logout(
        &self,
        context: &Context<'_>,
        #[graphql(default_with = "Some(false)")] everywhere: Option<bool>,
    ) -> Result<UserLogoutPayload> {
        let viewer = context.viewer();
        let (accounts, everywhere) = (context.data::<Accounts>()?, everywhere.unwrap_or_default());
        let answer = match (&viewer.user_id, refresh_cookie(context)) {
            (None, Some(token)) => accounts.logout_by_token(token, everywhere).await,
            _ => {
                let user_id = viewer.require_user()?;
                accounts.logout(user_id, viewer.session_id.as_deref(), everywhere).await
            }
        };
        set_cookie(context, None)?;
        Ok(UserLogoutPayload {
            user_errors: outcome(answer)?.1,
        })
    }

    async fn user_update(&self, context: &Context<'_>, input: UserUpdateInput) -> Result<UserUpdatePayload> {
        let user_id = context.viewer().require_user()?;
        UserUpdatePayload::new(context.data::<Accounts>()?.update(user_id, input.into()).await)
    }

    async fn user_password_change(
        &self,
        context: &Context<'_>,
        current_password: String,
        new_password: String,
    ) -> Result<UserUpdatePayload> {
        let viewer = context.viewer();
        let (user_id, session_id) = (viewer.require_user()?, viewer.session_id.as_deref());
        let accounts = context.data::<Accounts>()?;
        let answer = accounts
            .change_password(user_id, session_id, &current_password, new_password)
            .await;
        UserUpdatePayload::new(answer)
    }

    /// Always succeeds, whether or not the address is known.
    async fn user_password_reset_request(&self, context: &Context<'_>, email: String) -> Result<UserMessagePayload> {
        let accounts = context.data::<Accounts>()?;
        UserMessagePayload::new(accounts.request_password_reset(&email, &device(context)).await)
    }

    async fn user_password_reset(
        &self,
        context: &Context<'_>,
        token: String,
        new_password: String,
    ) -> Result<UserLoginPayload> {
        let answer = context
            .data::<Accounts>()?
            .reset_password(&token, new_password, device(context))
            .await;
        login_payload(context, answer, false)
    }

    async fn user_email_verification_request(&self, context: &Context<'_>) -> Result<UserMessagePayload> {
        let user_id = context.viewer().require_user()?;
        UserMessagePayload::new(context.data::<Accounts>()?.request_verification(user_id).await)
    }

    async fn user_email_verify(&self, context: &Context<'_>, token: String) -> Result<UserUpdatePayload> {
        UserUpdatePayload::proven(context.data::<Accounts>()?.verify_email(&token).await)
    }

    async fn user_email_change_request(
        &self,
        context: &Context<'_>,
        new_email: String,
        password: String,
    ) -> Result<UserMessagePayload> {
        let user_id = context.viewer().require_user()?;
        let accounts = context.data::<Accounts>()?;
        UserMessagePayload::new(accounts.request_email_change(user_id, &new_email, &password).await)
    }

    async fn address_create(
        &self,
        context: &Context<'_>,
        input: AddressInput,
        #[graphql(default_with = "Some(false)")] set_default: Option<bool>,
    ) -> Result<AddressPayload> {
        let user_id = context.viewer().require_user()?;
        let accounts = context.data::<Accounts>()?;
        AddressPayload::new(
            accounts
                .create_address(user_id, input.into(), set_default.unwrap_or_default())
                .await,
        )
    }

    async fn address_update(&self, context: &Context<'_>, id: ID, input: AddressInput) -> Result<AddressPayload> {
        let user_id = context.viewer().require_user()?;
        AddressPayload::new(
            context
                .data::<Accounts>()?
                .update_address(user_id, &id, input.into())
                .await,
        )
    }

    async fn address_delete(&self, context: &Context<'_>, id: ID) -> Result<AddressDeletePayload> {
        let user_id = context.viewer().require_user()?;
        let answer = context.data::<Accounts>()?.delete_address(user_id, &id).await;
        AddressDeletePayload::new(id, answer)
    }

    /// Starts erasure: deletes the account with profile, addresses and sessions; orders are kept for the statutory time. Also asks every service (event `users.erased`).
    async fn user_delete(&self, context: &Context<'_>, password: String) -> Result<UserDeletePayload> {
        let user_id = context.viewer().require_user()?;
        let answer = context.data::<Accounts>()?.erase(user_id, &password).await;
        if answer.is_ok() {
            set_cookie(context, None)?;
        }
        UserDeletePayload::new(answer)
    }

    #[graphql(
        guard = "RequireScope(\"users:write\")",
        requires_scopes = "users:write",
        tag = "admin"
    )]
    async fn user_roles_set(&self, context: &Context<'_>, user_id: ID, roles: Vec<Role>) -> Result<UserUpdatePayload> {
        let roles = roles.into_iter().map(service::auth::Role::from).collect();
        UserUpdatePayload::new(context.data::<Accounts>()?.set_roles(&user_id, roles).await)
    }
}

/// The cookie that holds the refresh token.
const REFRESH_COOKIE: &str = "hansa_refresh";

fn refresh_cookie<'a>(context: &Context<'a>) -> Option<&'a str> {
    let client = context.data_opt::<ClientInfo>()?;
    client.cookie_value(REFRESH_COOKIE)
}

fn device(context: &Context<'_>) -> Device {
    let client = context.data_opt::<ClientInfo>();
    let user_agent = client.and_then(|client| client.user_agent.as_deref());
    Device::new(user_agent, client.and_then(|client| client.address.as_deref()))
}

fn login_payload(context: &Context<'_>, answer: Answer<SignedIn>, in_cookie: bool) -> Result<UserLoginPayload> {
    let (done, user_errors) = outcome(answer)?;
    if let Some(done) = done.as_ref().filter(|_| in_cookie) {
        set_cookie(context, Some(&done.tokens))?;
    }
    let (user, tokens) = done.map(|done| (done.user, done.tokens)).unzip();
    let tokens = tokens.map(|tokens| AuthTokens::new(tokens, in_cookie));
    Ok(UserLoginPayload {
        user: user.map(User::proven),
        tokens,
        user_errors,
    })
}

/// Sets the cookie, or takes it away.
fn set_cookie(context: &Context<'_>, tokens: Option<&Tokens>) -> Result<()> {
    let accounts = context.data::<Accounts>()?;
    let secure = if accounts.config.cookie_secure { "; Secure" } else { "" };
    let (value, seconds) = match tokens {
        Some(tokens) => (
            tokens.refresh.text(),
            (tokens.refresh_expires_at - accounts.clock.now()).num_seconds(),
        ),
        None => ("", 0),
    };
    let cookie = format!("{REFRESH_COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    context.append_http_header(http::header::SET_COOKIE, cookie);
    Ok(())
}

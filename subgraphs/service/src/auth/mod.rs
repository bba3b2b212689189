//! Who asks, and what they may do: access tokens, viewers, roles and scopes, and the key that services share.
//!
//! The users service signs tokens; every service verifies them by itself. The router may have checked them already,
//! but a service never relies on that.

mod internal_key;
mod role;
mod signing;
mod verifier;
mod viewer;

pub use internal_key::{InternalKey, InternalKeyError, SIGNATURE_HEADER, SignedRequest, TIME_HEADER};
pub use role::{Role, SCOPES, Scopes};
pub use signing::{AccessClaims, SigningKey, SigningKeyError};
pub use verifier::{TokenError, TokenSettings, TokenVerifier};
pub use viewer::{RequireScope, RequireUser, Viewer, ViewerExt};

//! Why a mail is sent.

use super::Purpose;

/// Why a mail is sent to somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// Confirms the address of an account.
    VerifyEmail,
    /// Confirms a new address.
    ChangeEmail,
    /// Lets a forgotten password be replaced.
    ResetPassword,
    /// Somebody wanted to register with an address that has an account.
    AccountExists,
    /// Tells the old address that there is a new one.
    EmailChanged,
    /// Tells that the password was changed.
    PasswordChanged,
    /// Tells that the account is gone.
    AccountErased,
}

impl Occasion {
    const ALL: [Occasion; 7] = [
        Occasion::VerifyEmail,
        Occasion::ChangeEmail,
        Occasion::ResetPassword,
        Occasion::AccountExists,
        Occasion::EmailChanged,
        Occasion::PasswordChanged,
        Occasion::AccountErased,
    ];

    /// The name in the database.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Occasion::VerifyEmail => "VERIFY_EMAIL",
            Occasion::ChangeEmail => "CHANGE_EMAIL",
            Occasion::ResetPassword => "RESET_PASSWORD",
            Occasion::AccountExists => "ACCOUNT_EXISTS",
            Occasion::EmailChanged => "EMAIL_CHANGED",
            Occasion::PasswordChanged => "PASSWORD_CHANGED",
            Occasion::AccountErased => "ACCOUNT_ERASED",
        }
    }

    /// Reads [`Occasion::as_str`].
    pub(crate) fn parse(text: &str) -> Option<Occasion> {
        Occasion::ALL.into_iter().find(|occasion| occasion.as_str() == text)
    }

    /// What the secret in the mail allows; `None` when it holds none.
    pub(crate) fn purpose(self) -> Option<Purpose> {
        match self {
            Occasion::VerifyEmail => Some(Purpose::VerifyEmail),
            Occasion::ChangeEmail => Some(Purpose::ChangeEmail),
            Occasion::ResetPassword => Some(Purpose::ResetPassword),
            _ => None,
        }
    }

    /// The subject line.
    pub(crate) fn subject(self) -> &'static str {
        match self {
            Occasion::VerifyEmail => "Confirm your email address",
            Occasion::ChangeEmail => "Confirm your new email address",
            Occasion::ResetPassword => "Set a new password",
            Occasion::AccountExists => "You have an account already",
            Occasion::EmailChanged => "Your email address was changed",
            Occasion::PasswordChanged => "Your password was changed",
            Occasion::AccountErased => "Your account was deleted",
        }
    }

    /// What is said before the shop's address. Mails with a secret say it around their link instead.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Occasion::VerifyEmail | Occasion::ChangeEmail | Occasion::ResetPassword => {
                "If this was not you, there is nothing to do."
            }
            Occasion::AccountExists => {
                "Somebody, perhaps you, tried to make an account with this address. You have one already.\n\
                 Sign in, or set a new password, at"
            }
            Occasion::EmailChanged => {
                "Your account now has another email address, and this one no longer signs in.\n\
                 If this was not you, tell us at once at"
            }
            Occasion::PasswordChanged => {
                "The password of your account was changed, and other devices were signed out.\n\
                 If this was not you, set a new one at once at"
            }
            Occasion::AccountErased => {
                "Your account and what we knew of you were deleted. Orders are kept as long as the law demands.\n\
                 You are welcome to come back at"
            }
        }
    }
}

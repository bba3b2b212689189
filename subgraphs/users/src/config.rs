//! Settings of the users service.

use std::path::PathBuf;

/// Settings of the users service.
#[derive(Clone, Debug, clap::Args)]
pub struct UsersConfig {
    /// Folder of the Ed25519 keys that sign access tokens, as PKCS#8 `*.pem` files. The one whose name sorts last
    /// signs. When the folder is missing or empty, a key is made there.
    #[arg(long, env = "JWT_KEYS_DIR", default_value = "./data/jwt-keys")]
    pub jwt_keys_dir: PathBuf,

    /// Life of an access token, in seconds. A role that is taken away works until then.
    #[arg(long, env = "ACCESS_TOKEN_SECONDS", default_value_t = 900, value_parser = clap::value_parser!(u32).range(60..=86_400))]
    pub access_token_seconds: u32,

    /// Life of a session without use, in days. Each refresh begins it anew.
    #[arg(long, env = "SESSION_DAYS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=365))]
    pub session_days: u32,

    /// Whether an account must confirm its email address before its first login. `required` also keeps it secret
    /// which addresses have an account: registration then always answers the same, and login like a wrong password until it
    /// is confirmed.
    #[arg(long, env = "EMAIL_VERIFICATION", value_enum, default_value_t = EmailVerification::Optional)]
    pub email_verification: EmailVerification,

    /// Set the cookie of `userLogin(useCookie: true)` with `Secure`. Switch it off only for plain HTTP in development.
    #[arg(long, env = "COOKIE_SECURE", default_value_t = true, action = clap::ArgAction::Set)]
    pub cookie_secure: bool,

    /// Passwords that are hashed at the same time; each takes 19 MiB and some 20 ms of one core.
    #[arg(long, env = "PASSWORD_HASHES_MAX", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub password_hashes_max: u16,

    /// Address of the shop's pages; links in mails begin with it.
    #[arg(long, env = "SHOP_URL", default_value = "http://127.0.0.1:4000/")]
    pub shop_url: url::Url,

    /// Folder into which mails are written as text files, for development. Without it and SMTP_URL, a mail is only
    /// named in the log.
    #[arg(long, env = "MAIL_FOLDER", conflicts_with = "smtp_url")]
    pub mail_folder: Option<PathBuf>,

    /// Mail server: `smtp://host:587` (TLS by STARTTLS, which must succeed), `smtps://host:465` (TLS from the start), or
    /// `smtp-plain://host:25` (no TLS: only for a relay in the same pod or a mail catcher).
    #[arg(long, env = "SMTP_URL", requires = "mail_from")]
    pub smtp_url: Option<url::Url>,

    /// Name to log in to the mail server with; without it, no login.
    #[arg(long, env = "SMTP_USER", requires = "smtp_password_file")]
    pub smtp_user: Option<String>,

    /// File with the password for the mail server. Read anew for each mail, so that it may change at any time.
    #[arg(long, env = "SMTP_PASSWORD_FILE")]
    pub smtp_password_file: Option<PathBuf>,

    /// Sender of mails, such as `Hansa <shop@example.com>`.
    #[arg(long, env = "MAIL_FROM")]
    pub mail_from: Option<String>,

    /// Address of the first admin of a new shop: whoever has registered it and then resets the password by mail gets
    /// the role ADMIN. Take the setting away when that is done.
    #[arg(long, env = "ADMIN_EMAIL")]
    pub admin_email: Option<String>,
}

/// Whether an account must confirm its email address before its first login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum EmailVerification {
    /// Registration signs in at once, and says when an address is taken.
    Optional,
    /// Registration only sends a mail, whoever the address belongs to.
    Required,
}

impl Default for UsersConfig {
    fn default() -> Self {
        UsersConfig {
            jwt_keys_dir: "./data/jwt-keys".into(),
            access_token_seconds: 900,
            session_days: 30,
            email_verification: EmailVerification::Optional,
            cookie_secure: true,
            password_hashes_max: 4,
            shop_url: url::Url::parse("http://127.0.0.1:4000/").expect("a constant"),
            mail_folder: None,
            smtp_url: None,
            smtp_user: None,
            smtp_password_file: None,
            mail_from: None,
            admin_email: None,
        }
    }
}

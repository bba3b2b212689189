//! Mails through an SMTP server.

use super::{Mail, MailError, Mailer};
use crate::config::UsersConfig;
use anyhow::{Context, bail};
use futures::FutureExt;
use futures::future::BoxFuture;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use secrecy::{ExposeSecret, SecretString};
use std::path::PathBuf;
use std::time::Duration;

/// Longest wait for each step of the conversation with the server.
const STEP_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest delivery of one mail; below the lease of the outbox.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(20);

/// Sends each mail over a connection of its own: a shop of this kind sends few, and a connection that is kept is one
/// that breaks.
#[derive(Debug)]
pub(super) struct SmtpMailer {
    host: String,
    port: u16,
    encryption: Encryption,
    from: Mailbox,
    login: Option<Login>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encryption {
    None,
    StartTls,
    Tls,
}

#[derive(Debug)]
struct Login {
    user: String,
    password_file: PathBuf,
}

impl SmtpMailer {
    pub(super) fn new(url: &url::Url, config: &UsersConfig) -> anyhow::Result<SmtpMailer> {
        let (encryption, port) = match url.scheme() {
            "smtp" => (Encryption::StartTls, 587),
            "smtps" => (Encryption::Tls, 465),
            "smtp-plain" => (Encryption::None, 25),
            _ => bail!("SMTP_URL must begin with `smtp://`, `smtps://` or `smtp-plain://`"),
        };
        if !url.username().is_empty() || url.password().is_some() {
            bail!("SMTP_URL holds no name and no password: use SMTP_USER and SMTP_PASSWORD_FILE");
        }
        let login = config.smtp_user.as_ref().zip(config.smtp_password_file.as_ref());
        if login.is_some() && encryption == Encryption::None {
            bail!("SMTP_USER is set, but `smtp-plain://` would send the password in the clear");
        }
        let from = config.mail_from.as_deref().context("SMTP_URL needs MAIL_FROM")?;
        Ok(SmtpMailer {
            host: url.host_str().context("SMTP_URL names no host")?.to_owned(),
            port: url.port().unwrap_or(port),
            encryption,
            from: from
                .parse()
                .context("MAIL_FROM is no sender such as `Hansa <shop@example.com>`")?,
            login: login.map(|(user, password_file)| Login {
                user: user.clone(),
                password_file: password_file.clone(),
            }),
        })
    }

    async fn deliver(&self, mail: Mail) -> Result<(), MailError> {
        let message = self.message(mail)?;
        let transport = self.transport().await?;
        transport.send(message).await.map(drop).map_err(|error| {
            // The server's words may repeat the recipient's address, so only its status is kept.
            let status = error.status().map(|status| status.to_string());
            match status {
                Some(status) if error.is_permanent() => MailError::Permanent(format!("status {status}")),
                Some(status) => MailError::Transient(format!("status {status}")),
                None if error.is_timeout() => MailError::Transient("no answer in time".to_owned()),
                None if error.is_tls() => MailError::Transient("no TLS".to_owned()),
                None => MailError::Transient("the connection failed".to_owned()),
            }
        })
    }

    fn message(&self, mail: Mail) -> Result<Message, MailError> {
        let refused = |what: &str| MailError::Permanent(what.to_owned());
        let to: lettre::Address = mail.to.parse().map_err(|_| refused("the address cannot be used"))?;
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(mail.subject)
            .header(ContentType::TEXT_PLAIN)
            .body(mail.text)
            .map_err(|_| refused("the mail cannot be written"))
    }

    async fn transport(&self) -> Result<AsyncSmtpTransport<Tokio1Executor>, MailError> {
        let parameters =
            || TlsParameters::new(self.host.clone()).map_err(|_| MailError::Transient("no TLS".to_owned()));
        let tls = match self.encryption {
            Encryption::None => Tls::None,
            Encryption::StartTls => Tls::Required(parameters()?),
            Encryption::Tls => Tls::Wrapper(parameters()?),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&self.host)
            .port(self.port)
            .tls(tls)
            .timeout(Some(STEP_TIMEOUT));
        if let Some(login) = &self.login {
            let password = tokio::fs::read_to_string(&login.password_file).await;
            let unreadable = |_| MailError::Transient("SMTP_PASSWORD_FILE could not be read".to_owned());
            let password = SecretString::from(password.map_err(unreadable)?);
            let credentials = Credentials::new(login.user.clone(), password.expose_secret().trim().to_owned());
            builder = builder.credentials(credentials);
        }
        Ok(builder.build())
    }
}

impl Mailer for SmtpMailer {
    fn send(&self, mail: Mail) -> BoxFuture<'_, Result<(), MailError>> {
        async move {
            let delivered = tokio::time::timeout(DELIVERY_TIMEOUT, self.deliver(mail)).await;
            delivered.unwrap_or_else(|_| Err(MailError::Transient("no answer in time".to_owned())))
        }
        .boxed()
    }
}

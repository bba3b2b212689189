//! Mails to customers, behind a trait: into the log or a folder for development, through SMTP for a shop.
//!
//! Knows neither why a mail is sent nor when it is tried again; see `postman`.

mod smtp;

use crate::config::UsersConfig;
use anyhow::Context;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// A mail in plain text.
#[derive(Clone)]
pub(crate) struct Mail {
    /// Address of the recipient.
    pub(crate) to: String,
    /// Subject line.
    pub(crate) subject: &'static str,
    /// Text.
    pub(crate) text: String,
}

/// Neither to whom nor what: a text may hold a secret.
impl fmt::Debug for Mail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Mail")
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

/// Why a mail was not taken. The text names neither the recipient nor what was written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MailError {
    /// It may be taken later: the server is away, slow, or asks to wait.
    #[error("the mail could not be delivered now: {0}")]
    Transient(String),
    /// It will hardly ever be taken: there is no such mailbox, or the server does not want us.
    #[error("the mail was refused: {0}")]
    Permanent(String),
}

/// Takes mails. Called from a background task, so it may wait, within bounds.
pub(crate) trait Mailer: Send + Sync {
    /// Delivers `mail`; once this has answered `Ok`, the mail is somebody else's business.
    fn send(&self, mail: Mail) -> BoxFuture<'_, Result<(), MailError>>;
}

/// The mailer that the settings ask for.
pub(crate) fn mailer(config: &UsersConfig) -> anyhow::Result<Arc<dyn Mailer>> {
    if let Some(url) = &config.smtp_url {
        return Ok(Arc::new(smtp::SmtpMailer::new(url, config)?));
    }
    let Some(folder) = &config.mail_folder else {
        return Ok(Arc::new(LogMailer));
    };
    std::fs::create_dir_all(folder).with_context(|| format!("MAIL_FOLDER `{}`", folder.display()))?;
    Ok(Arc::new(FolderMailer { folder: folder.clone() }))
}

/// Says in the log that there was a mail, but neither to whom nor what: tokens are no matter for a log.
struct LogMailer;

impl Mailer for LogMailer {
    fn send(&self, mail: Mail) -> BoxFuture<'_, Result<(), MailError>> {
        tracing::info!(
            mail.subject = mail.subject,
            "A mail would be sent; set MAIL_FOLDER to read it, or SMTP_URL to send it"
        );
        std::future::ready(Ok(())).boxed()
    }
}

/// Writes each mail into a file of its own.
struct FolderMailer {
    folder: PathBuf,
}

impl Mailer for FolderMailer {
    fn send(&self, mail: Mail) -> BoxFuture<'_, Result<(), MailError>> {
        let name = service::id::new("mail");
        let text = format!("To: {}\nSubject: {}\n\n{}", mail.to, mail.subject, mail.text);
        let (draft, path) = (self.folder.join(&name), self.folder.join(format!("{name}.txt")));
        async move {
            // Under its own name only when it is whole.
            tokio::fs::write(&draft, text)
                .await
                .map_err(|error| MailError::Transient(error.to_string()))?;
            tokio::fs::rename(&draft, &path)
                .await
                .map_err(|error| MailError::Transient(error.to_string()))
        }
        .boxed()
    }
}

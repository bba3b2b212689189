//! Mails to customers, behind a trait: an operator's mail server is one more implementor.

use crate::config::UsersConfig;
use anyhow::Context;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;

/// A mail in plain text.
#[derive(Clone, Debug)]
pub(crate) struct Mail {
    /// Address of the recipient.
    pub(crate) to: String,
    /// Subject line.
    pub(crate) subject: &'static str,
    /// Text.
    pub(crate) text: String,
}

/// Takes mails. Must not wait for a remote server: queue, and answer.
pub(crate) trait Mailer: Send + Sync {
    /// Takes over responsibility for `mail`.
    fn send(&self, mail: &Mail) -> anyhow::Result<()>;
}

/// The mailer that the settings ask for.
pub(crate) fn mailer(config: &UsersConfig) -> anyhow::Result<Arc<dyn Mailer>> {
    let Some(folder) = &config.mail_folder else {
        return Ok(Arc::new(LogMailer));
    };
    std::fs::create_dir_all(folder).with_context(|| format!("MAIL_FOLDER `{}`", folder.display()))?;
    Ok(Arc::new(FolderMailer { folder: folder.clone() }))
}

/// Says in the log that there was a mail, but neither to whom nor what: tokens are no matter for a log.
struct LogMailer;

impl Mailer for LogMailer {
    fn send(&self, mail: &Mail) -> anyhow::Result<()> {
        tracing::info!(
            mail.subject = mail.subject,
            "A mail would be sent; set MAIL_FOLDER to read it"
        );
        Ok(())
    }
}

/// Writes each mail into a file of its own.
struct FolderMailer {
    folder: PathBuf,
}

impl Mailer for FolderMailer {
    fn send(&self, mail: &Mail) -> anyhow::Result<()> {
        let mut text = String::new();
        writeln!(text, "To: {}\nSubject: {}\n\n{}", mail.to, mail.subject, mail.text)?;
        let path = self.folder.join(format!("{}.txt", service::id::new("mail")));
        std::fs::write(&path, text).with_context(|| format!("`{}` could not be written", path.display()))
    }
}

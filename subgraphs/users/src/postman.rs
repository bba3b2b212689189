//! The background of the service: sends the mails that wait in their outbox, and sweeps.
//!
//! Woken when something was stored, and every second in any case, so that a lost wake-up or another replica's work costs
//! a second and nothing else. What a crash leaves behind is due again when its lease ends. So a mail may come twice, but
//! never not at all.

use crate::accounts::Accounts;
use crate::domain::{Occasion, Secret, User};
use crate::mail::{Mail, MailError, Mailer};
use crate::store::{DueMail, MailToken};
use chrono::Duration;
use futures::future::join_all;
use service::database::DbErr;
use std::sync::Arc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const TICK: std::time::Duration = std::time::Duration::from_secs(1);
const SWEEP_INTERVAL: std::time::Duration = std::time::Duration::from_secs(3600);

/// Longer than the longest delivery.
const LEASE: Duration = Duration::seconds(60);
/// A mail that nobody took for so long is given up.
const MAIL_AGE_MAX: Duration = Duration::hours(24);
/// Times that a refused mail is tried: a server that is set up wrongly refuses too, and may be mended.
const REFUSALS_MAX: i32 = 5;
const MAIL_DELAY_SECONDS_MAX: i64 = 1800;

/// Carries out what the outbox of mails holds.
pub(crate) struct Postman {
    pub(crate) accounts: Accounts,
    pub(crate) mailer: Arc<dyn Mailer>,
}

impl Postman {
    /// Works until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let mut sweep_at = Instant::now();
        loop {
            if let Err(error) = self.round().await {
                tracing::error!(error = %error, "The outbox of mails could not be read or written; it will be tried again");
            }
            if Instant::now() >= sweep_at {
                sweep_at = Instant::now() + SWEEP_INTERVAL;
                if let Err(error) = self.accounts.store.sweep(self.accounts.clock.now()).await {
                    tracing::warn!(error = %error, "What has run out could not be deleted; it will be tried again");
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.accounts.outbox.notified() => {}
                () = tokio::time::sleep(TICK) => {}
            }
        }
    }

    async fn round(&self) -> Result<(), DbErr> {
        let now = self.accounts.clock.now();
        let due = self.accounts.store.take_due_mails(now, LEASE).await?;
        let delivered = join_all(due.iter().map(|due| self.deliver(due))).await;
        delivered.into_iter().collect::<Result<(), _>>()?;
        if !due.is_empty() {
            // There may be more.
            self.accounts.outbox.notify_one();
        }
        Ok(())
    }

    async fn deliver(&self, due: &DueMail) -> Result<(), DbErr> {
        let (store, subject) = (&self.accounts.store, due.mail.occasion.subject());
        let Some(mail) = self.write(due).await? else {
            return store.mail_done(&due.id).await;
        };
        let now = self.accounts.clock.now();
        let error = match self.mailer.send(mail).await {
            Ok(()) => {
                metrics::counter!("mails_total", "outcome" => "sent").increment(1);
                return store.mail_done(&due.id).await;
            }
            Err(error) => error,
        };
        let refused = matches!(error, MailError::Permanent(_)) && due.attempt + 1 >= REFUSALS_MAX;
        if refused || now - due.created_at > MAIL_AGE_MAX {
            tracing::error!(mail.id = due.id, mail.subject = subject, %error, "A mail was given up");
            metrics::counter!("mails_total", "outcome" => "given_up").increment(1);
            return store.mail_done(&due.id).await;
        }
        tracing::warn!(mail.id = due.id, mail.subject = subject, %error, "A mail will be tried again");
        metrics::counter!("mails_total", "outcome" => "postponed").increment(1);
        let delay = (2_i64 << due.attempt.clamp(0, 16)).min(MAIL_DELAY_SECONDS_MAX);
        store.mail_postponed(due, now + Duration::seconds(delay)).await
    }

    /// The mail, with a new secret in it if it needs one; `None` when it has become pointless.
    async fn write(&self, due: &DueMail) -> Result<Option<Mail>, DbErr> {
        let (occasion, shop_url) = (due.mail.occasion, &self.accounts.config.shop_url);
        let Some(purpose) = occasion.purpose() else {
            return Ok(Some(Mail {
                to: due.mail.email.clone(),
                subject: occasion.subject(),
                text: format!("{} {shop_url}\n", occasion.text()),
            }));
        };
        let Some(user) = self.recipient(due).await? else {
            return Ok(None);
        };
        let token = MailToken {
            user_id: user.id,
            purpose,
            email: due.mail.email.clone(),
        };
        let (secret, now) = (Secret::generate(), self.accounts.clock.now());
        let store = &self.accounts.store;
        if !store.create_mail_token(&due.id, &token, &secret, now).await? {
            return Ok(None);
        }
        let mut link = shop_url.clone();
        if let Ok(mut path) = link.path_segments_mut() {
            path.pop_if_empty().push(if occasion == Occasion::ResetPassword {
                "reset-password"
            } else {
                "verify-email"
            });
        }
        link.query_pairs_mut().clear().append_pair("token", secret.text());
        Ok(Some(Mail {
            to: token.email,
            subject: occasion.subject(),
            text: format!("{}: {link}\n\n{}\n", occasion.subject(), occasion.text()),
        }))
    }

    /// The account that a secret is for, if it still wants one.
    async fn recipient(&self, due: &DueMail) -> Result<Option<User>, DbErr> {
        let store = &self.accounts.store;
        let user = match &due.mail.user_id {
            Some(id) => store.user(id).await?,
            None => store.user_with_email(&due.mail.email).await?,
        };
        Ok(user.filter(|user| match due.mail.occasion {
            Occasion::VerifyEmail => !user.email_verified && user.email == due.mail.email,
            Occasion::ResetPassword => user.email == due.mail.email,
            _ => true,
        }))
    }
}

//! What received webhooks lead to: mostly nothing, else a question to the gateway.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use futures::StreamExt as _;
use futures::future::join_all;
use tracing::error;

use super::{Processor, WORKED_AT_ONCE, alarm};
use crate::domain::Payment;
use crate::gateway::Gateway as _;
use crate::store::{DueWebhook, Share, StoreError};

/// Attempts after which a webhook about a payment that nobody knows is left alone: with a doubling delay from 2 s, half an
/// hour.
const WEBHOOK_ATTEMPTS_MAX: i32 = 10;

/// Longest wait before a webhook is worked on again, as a power of two of seconds: about an hour.
const WEBHOOK_DELAY_EXPONENT_MAX: i32 = 12;

/// Most webhooks of one gateway that are taken at once.
const TAKEN_MAX: usize = 16;

/// How long they are nobody else's: longer than it takes to ask about all of them, if each answer takes the 10 s that it may.
const WEBHOOK_LEASE: TimeDelta = TimeDelta::seconds(30);

impl Processor {
    /// Works on the webhooks of `share` that were received; several of one payment are at most one question to the gateway.
    /// Whether more may be due.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails; what was not done is due again when its lease ends.
    pub async fn work_webhooks(&self, share: &Share) -> Result<bool, StoreError> {
        let times = (self.now(), WEBHOOK_LEASE);
        let due = self.store.take_due_webhooks(share, TAKEN_MAX as u64, times).await?;
        let is_full = due.len() == TAKEN_MAX;
        let mut by_payment: BTreeMap<_, Vec<DueWebhook>> = BTreeMap::new();
        for webhook in due {
            let about = (webhook.payment_id.clone(), webhook.gateway_reference.clone());
            by_payment.entry(about).or_default().push(webhook);
        }
        // All at the same time, so that they are read at once.
        let reading = by_payment.into_values().map(|webhooks| async {
            let payment = self.payment_of(&webhooks).await;
            (webhooks, payment)
        });
        let (told, news): (Vec<_>, Vec<_>) = join_all(reading).await.into_iter().partition(|(webhooks, payment)| {
            let payment = payment.as_ref().ok().and_then(Option::as_ref);
            payment.is_some_and(|payment| !webhooks.iter().any(|webhook| self.calls_for_lookup(payment, webhook)))
        });
        let told: Vec<DueWebhook> = told.into_iter().flat_map(|(webhooks, _)| webhooks).collect();
        self.processed(&told).await?;
        let working = futures::stream::iter(news)
            .map(|(webhooks, payment)| self.work_news(webhooks, payment))
            .buffer_unordered(WORKED_AT_ONCE)
            .collect::<Vec<_>>();
        working.await.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(is_full)
    }

    async fn processed(&self, webhooks: &[DueWebhook]) -> Result<(), StoreError> {
        match webhooks.is_empty() {
            true => Ok(()),
            false => self.store.webhooks_processed(webhooks, self.now()).await,
        }
    }

    /// The payment that these webhooks are about; always one of their own gateway.
    async fn payment_of(&self, webhooks: &[DueWebhook]) -> Result<Option<Payment>, StoreError> {
        let Some(first) = webhooks.first() else {
            return Ok(None);
        };
        match (&first.payment_id, &first.gateway_reference) {
            (Some(id), _) => {
                let payment = self.store.payment(id).await?;
                Ok(payment.filter(|payment| payment.gateway == first.gateway))
            }
            (None, Some(reference)) => self.store.payment_by_reference(&first.gateway, reference).await,
            (None, None) => Ok(None),
        }
    }

    /// Takes the state of `payment`, which these webhooks are about, from the gateway.
    async fn work_news(
        &self,
        webhooks: Vec<DueWebhook>,
        payment: Result<Option<Payment>, StoreError>,
    ) -> Result<(), StoreError> {
        let known = !matches!(payment, Ok(None));
        let settled = match payment {
            Ok(Some(payment)) => self.ask(payment).await.map(|asked| asked.is_some()),
            Ok(None) => Ok(false),
            // A row that cannot be read, say, which is not to hold up those of others.
            Err(error) => Err(error.into()),
        };
        if settled.as_ref().is_ok_and(|settled| *settled) {
            return self.processed(&webhooks).await;
        }
        for webhook in &webhooks {
            if let Err(error) = &settled {
                error!(webhook.id, %error, "Webhook `{}` could not be worked on", webhook.id);
            }
            self.postpone_webhook(webhook, known).await?;
        }
        Ok(())
    }

    /// Whether the webhook tells something of the payment that is not known, or not all that there is to know.
    fn calls_for_lookup(&self, payment: &Payment, webhook: &DueWebhook) -> bool {
        let gateway = self.gateway(Some(&webhook.gateway));
        let told = gateway.and_then(|gateway| gateway.told_by_webhook(&webhook.body));
        told.is_none_or(|told| told.reference != payment.id || payment.clone().settle(&told, self.now()))
    }

    async fn postpone_webhook(&self, due: &DueWebhook, known: bool) -> Result<(), StoreError> {
        if !known && due.attempt + 1 >= WEBHOOK_ATTEMPTS_MAX {
            error!(webhook.id = due.id, "Webhook `{}` is about no payment of ours", due.id);
            alarm::WEBHOOK_UNMATCHED.count(&due.gateway);
            return self.store.webhook_postponed(due, None).await;
        }
        // Of a payment that we know, an event is never left alone before the gateway has answered.
        let exponent = (due.attempt + 1).clamp(1, WEBHOOK_DELAY_EXPONENT_MAX);
        let next_at = self.now() + TimeDelta::seconds(1 << exponent);
        self.store.webhook_postponed(due, Some(next_at)).await
    }
}

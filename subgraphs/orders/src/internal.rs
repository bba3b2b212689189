//! Events of others: payments tells that a payment changed, and users that an account was erased. Each takes effect once.

use service::contract::events::{Event, USERS_ERASED, UserErased};
use service::contract::payments::{PAYMENT_CHANGED, PaymentState};
use service::events::{ConsumeError, EventConsumer};

use crate::driver::Driver;

/// Lets events take effect on orders and carts.
pub(crate) struct Consumer {
    pub(crate) driver: Driver,
}

#[async_trait::async_trait]
impl EventConsumer for Consumer {
    async fn consume(&self, event: &Event) -> Result<(), ConsumeError> {
        match event.event_type.as_str() {
            PAYMENT_CHANGED => self.payment_changed(event).await,
            USERS_ERASED => self.user_erased(event).await,
            _ => Ok(()),
        }
    }
}

impl Consumer {
    async fn payment_changed(&self, event: &Event) -> Result<(), ConsumeError> {
        let state: PaymentState = event.read()?;
        let now = self.driver.now();
        let heard = self
            .driver
            .store()
            .change_once(&state.order_id, (&event.id, now), |file| file.hear_event(&state, now));
        if heard.await.map_err(ConsumeError::failed)? {
            self.driver.wake();
        }
        Ok(())
    }

    /// The cart goes. Orders stay as they are, with the addresses they were sent to, as long as the law demands.
    async fn user_erased(&self, event: &Event) -> Result<(), ConsumeError> {
        let erased: UserErased = event.read()?;
        let forgotten = self
            .driver
            .store()
            .forget_user(&erased.user_id, (&event.id, self.driver.now()));
        forgotten.await.map_err(ConsumeError::failed)
    }
}

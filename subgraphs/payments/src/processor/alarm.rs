//! The counters by gateway that somebody is to look at once they grow.
//!
//! They begin at 0 with the process: of a counter that appears with its first increment, Prometheus sees no increase.

/// A counter that stands still as long as all is well.
pub(super) struct Alarm(&'static str);

/// Money was taken of a payment that had ended.
pub(super) const TAKEN_AFTER_END: Alarm = Alarm("payments_taken_after_end_total");
/// A refund failed after it had succeeded.
pub(super) const REFUND_RETURNED: Alarm = Alarm("payments_refunds_returned_total");
/// A webhook was about no payment of ours.
pub(super) const WEBHOOK_UNMATCHED: Alarm = Alarm("payments_webhooks_unmatched_total");

/// Shows all of a gateway at 0.
pub(super) fn begin(gateway: &str) {
    for alarm in [TAKEN_AFTER_END, REFUND_RETURNED, WEBHOOK_UNMATCHED] {
        alarm.counter(gateway).increment(0);
    }
}

impl Alarm {
    /// Counts one more.
    pub(super) fn count(&self, gateway: &str) {
        self.counter(gateway).increment(1);
    }

    fn counter(&self, gateway: &str) -> metrics::Counter {
        metrics::counter!(self.0, "gateway" => gateway.to_owned())
    }
}

//! What a run has measured.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    Browse,
    Search,
    Product,
    Cart,
    Order,
    Pay,
    /// Asking what became of an order or payment that was not settled at once.
    Look,
}

#[derive(Default)]
pub(crate) struct Report {
    times: BTreeMap<Operation, Vec<Duration>>,
    /// What went wrong, and how often.
    failures: BTreeMap<String, u32>,
    pub(crate) paid: u32,
    pub(crate) declined: u32,
    pub(crate) out_of_stock: u32,
    length: Duration,
}

impl Report {
    pub(crate) fn took(&mut self, operation: Operation, time: Duration) {
        self.times.entry(operation).or_default().push(time);
    }

    /// What went wrong stays.
    pub(crate) fn forget_times(&mut self) {
        let failures = std::mem::take(&mut self.failures);
        *self = Report {
            failures,
            ..Report::default()
        };
    }

    pub(crate) fn fail(&mut self, failure: String) {
        *self.failures.entry(failure).or_default() += 1;
    }

    pub(crate) fn has_failures(&self) -> bool {
        !self.failures.is_empty()
    }

    pub(crate) fn add(&mut self, other: Report) {
        for (operation, times) in other.times {
            self.times.entry(operation).or_default().extend(times);
        }
        for (failure, count) in other.failures {
            *self.failures.entry(failure).or_default() += count;
        }
        self.paid += other.paid;
        self.declined += other.declined;
        self.out_of_stock += other.out_of_stock;
    }

    pub(crate) fn finish(&mut self, length: Duration) {
        self.length = length;
        for times in self.times.values_mut() {
            times.sort_unstable();
        }
    }
}

/// `times` are sorted and not empty.
fn percentile(times: &[Duration], percent: usize) -> f64 {
    let index = (times.len() * percent / 100).min(times.len() - 1);
    times[index].as_secs_f64() * 1_000.0
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "operation    count   p50 ms   p99 ms   max ms")?;
        for (operation, times) in &self.times {
            let name = format!("{operation:?}").to_lowercase();
            let [p50, p99, max] = [50, 99, 100].map(|percent| percentile(times, percent));
            let count = times.len();
            writeln!(formatter, "{name:<10} {count:>7} {p50:>8.1} {p99:>8.1} {max:>8.1}")?;
        }
        let seconds = self.length.as_secs_f64();
        let rate = f64::from(self.paid) / seconds;
        writeln!(
            formatter,
            "{} orders paid in {seconds:.1} s: {rate:.1} a second; {} declined as asked, {} out of stock",
            self.paid, self.declined, self.out_of_stock
        )?;
        for (failure, count) in &self.failures {
            writeln!(formatter, "{count} times: {failure}")?;
        }
        Ok(())
    }
}

//! Times, how they grow, and the memory in between.

use std::hint::black_box;
use std::time::{Duration, Instant};

use composition::compose;
use federation::Subgraph;

use crate::families::{self, Family};
use crate::samples::Sample;

/// The fastest of `repeats` compositions: what the code takes, rather than what the machine does besides.
pub(crate) fn fastest(subgraphs: &[Subgraph], repeats: usize) -> Duration {
    let time = || {
        let start = Instant::now();
        let composed = black_box(compose(black_box(subgraphs)));
        let elapsed = start.elapsed();
        drop(composed);
        elapsed
    };
    (0..repeats).map(|_| time()).min().unwrap_or_default()
}

pub(crate) fn millis(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64() * 1e3)
}

/// How times of many cases spread.
pub(crate) struct Spread {
    pub(crate) median: Duration,
    pub(crate) p90: Duration,
    pub(crate) max: Duration,
    /// Name of the case that took longest.
    pub(crate) slowest: String,
}

impl Spread {
    /// At least one sample.
    pub(crate) fn of(samples: &[Sample], repeats: usize) -> Self {
        let mut times: Vec<(Duration, &str)> = samples
            .iter()
            .map(|sample| (fastest(&sample.subgraphs, repeats), sample.name.as_str()))
            .collect();
        times.sort_unstable();
        let last = times.len() - 1;
        Self {
            median: times[times.len() / 2].0,
            p90: times[last * 9 / 10].0,
            max: times[last].0,
            slowest: times[last].1.to_owned(),
        }
    }
}

/// One size of a family.
pub(crate) struct Point {
    pub(crate) fields: usize,
    pub(crate) time: Duration,
}

/// How the time of a family grows with the number of fields.
pub(crate) struct Growth {
    pub(crate) points: Vec<Point>,
    /// Slope of the line through the points, both axes logarithmic: 1 is linear.
    pub(crate) exponent: f64,
}

impl Growth {
    pub(crate) fn of(family: &Family, is_measured: bool) -> Self {
        let sizes: Vec<usize> = match is_measured {
            true => [1, 2, 4, 8].map(|factor| family.size * factor).to_vec(),
            false => vec![2],
        };
        let point = |size: usize| {
            let subgraphs = (family.build)(size);
            if let Err(errors) = compose(&subgraphs) {
                panic!("{} of size {size} does not compose: {}", family.name, errors[0]);
            }
            Point {
                fields: families::field_count(&subgraphs),
                time: fastest(&subgraphs, if is_measured { 5 } else { 1 }),
            }
        };
        let points: Vec<Point> = sizes.into_iter().map(point).collect();
        Self {
            exponent: slope(&points),
            points,
        }
    }
}

/// Least squares over the logarithms.
fn slope(points: &[Point]) -> f64 {
    let logs: Vec<(f64, f64)> = points
        .iter()
        .map(|point| ((point.fields as f64).ln(), point.time.as_secs_f64().ln()))
        .collect();
    let count = logs.len() as f64;
    let mean_x = logs.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = logs.iter().map(|(_, y)| y).sum::<f64>() / count;
    let covariance: f64 = logs.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let variance: f64 = logs.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    covariance / variance
}

/// The most memory that the process held since a moment, less what it held then. Linux only.
pub(crate) struct Memory {
    before_kib: Option<u64>,
}

impl Memory {
    pub(crate) fn start() -> Self {
        // "5" resets the high-water mark (proc(5), clear_refs).
        let is_reset = std::fs::write("/proc/self/clear_refs", "5").is_ok();
        Self {
            before_kib: if is_reset { status_kib("VmRSS:") } else { None },
        }
    }

    pub(crate) fn peak_mib(&self) -> Option<f64> {
        let peak = status_kib("VmHWM:")?.saturating_sub(self.before_kib?);
        Some(peak as f64 / 1024.0)
    }
}

fn status_kib(key: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(key))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

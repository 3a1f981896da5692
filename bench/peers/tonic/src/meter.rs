//! Counts of operations and a histogram of their latencies, of a thread each, so that counting costs next to nothing.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Of the one-way calls, one message in so many is timed.
pub const TIMED_MESSAGES: u64 = 16;
const BUCKETS: usize = 64 * 60;

pub static MEASURED: AtomicBool = AtomicBool::new(false);
static ERRORS: AtomicU64 = AtomicU64::new(0);
static METERS: Mutex<Vec<Arc<Meter>>> = Mutex::new(Vec::new());

thread_local! {
    static METER: Arc<Meter> = {
        let meter = Arc::new(Meter { operations: AtomicU64::new(0), buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect() });
        METERS.lock().unwrap().push(meter.clone());
        meter
    };
}

struct Meter {
    operations: AtomicU64,
    buckets: Vec<AtomicU64>,
}

pub fn on_operation() {
    METER.with(|meter| meter.operations.store(meter.operations.load(Relaxed) + 1, Relaxed));
}

pub fn on_latency(begin: Instant, end: Instant) {
    if !MEASURED.load(Relaxed) {
        return;
    }
    METER.with(|meter| {
        let bucket = &meter.buckets[bucket_of((end - begin).as_nanos() as u64)];
        bucket.store(bucket.load(Relaxed) + 1, Relaxed);
    });
}

pub fn on_error(status: &tonic::Status) {
    if ERRORS.fetch_add(1, Relaxed) < 5 {
        eprintln!("error: {status}");
    }
}

/// (operations, errors) of all threads so far.
pub fn counts() -> (u64, u64) {
    (METERS.lock().unwrap().iter().map(|meter| meter.operations.load(Relaxed)).sum(), ERRORS.load(Relaxed))
}

/// Buckets of 1/64, as in bench/histogram.h.
fn bucket_of(ns: u64) -> usize {
    let shift = (64 - ns.leading_zeros()).saturating_sub(7);
    (shift as usize * 64 + (ns >> shift) as usize).min(BUCKETS - 1)
}

fn largest_in(bucket: usize) -> u64 {
    if bucket < 128 {
        return bucket as u64;
    }
    let shift = bucket / 64 - 1;
    ((bucket as u64 - shift as u64 * 64 + 1) << shift) - 1
}

/// The latency that so many percent do not exceed, of all threads.
pub fn percentile_us(percent: f64) -> f64 {
    let meters = METERS.lock().unwrap();
    let sums: Vec<u64> = (0..BUCKETS).map(|i| meters.iter().map(|meter| meter.buckets[i].load(Relaxed)).sum()).collect();
    let wanted = (sums.iter().sum::<u64>() as f64 * percent / 100.0).ceil().max(1.0) as u64;
    let mut seen = 0;
    for (bucket, count) in sums.iter().enumerate() {
        seen += count;
        if seen >= wanted {
            return largest_in(bucket) as f64 / 1e3;
        }
    }
    0.0
}

/// User and system CPU time of a process; none when there is no such process.
pub fn cpu_time_of(pid: &str) -> Option<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 10)) // USER_HZ is 100 wherever Linux runs
}

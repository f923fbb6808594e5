//! Counts, latencies and CPU time between two moments, and the report made of them.

use std::io;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::event::Event;
use mio::{Events, Poll};
use serde::Serialize;

use crate::process::{CpuTime, cpu_time};

/// Latencies from a nanosecond to a minute, to three digits.
const LONGEST_LATENCY: Duration = Duration::from_secs(60);
const DIGITS: u8 = 3;

/// How long to run before and while measuring.
#[derive(Clone, Copy)]
pub(crate) struct Schedule {
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
}

pub(crate) struct Meter {
    pid: u32,
    started: Instant,
    server: CpuTime,
    own: CpuTime,
    latencies: Histogram<u64>,
    messages: u64,
    bytes: u64,
}

/// What a run found, per message: an echo, a delivery or a connection, as the mode says.
#[derive(Serialize)]
pub(crate) struct Report {
    seconds: f64,
    messages: u64,
    messages_per_second: f64,
    bytes_received_per_second: f64,
    p50_us: f64,
    p99_us: f64,
    max_us: f64,
    server_cpu_us_per_message: f64,
    server_main_thread_us_per_message: f64,
    /// CPU time by wall time: 1 is one processor all the time.
    server_cpu_share: f64,
    /// The same of the load generator; near 1 it was the limit itself.
    load_cpu_share: f64,
}

impl Meter {
    /// Begins to measure server process `pid`.
    pub(crate) fn start(pid: u32) -> io::Result<Self> {
        let latencies = Histogram::new_with_max(LONGEST_LATENCY.as_nanos() as u64, DIGITS);
        Ok(Self {
            pid,
            server: cpu_time(pid)?,
            own: cpu_time(std::process::id())?,
            latencies: latencies.map_err(io::Error::other)?,
            messages: 0,
            bytes: 0,
            started: Instant::now(),
        })
    }

    pub(crate) fn add_messages(&mut self, count: usize, latency: Duration) {
        self.messages += count as u64;
        self.latencies.saturating_record_n(latency.as_nanos() as u64, count as u64);
    }

    pub(crate) fn add_bytes(&mut self, count: usize) {
        self.bytes += count as u64;
    }

    /// Ends measuring.
    pub(crate) fn report(&self) -> io::Result<Report> {
        let elapsed = self.started.elapsed().as_secs_f64();
        let server = cpu_time(self.pid)?;
        let own = cpu_time(std::process::id())?;
        if self.messages == 0 {
            return Err(io::Error::other("the server answered nothing while it was measured"));
        }
        let messages = self.messages as f64;
        let process = (server.process - self.server.process).as_secs_f64();
        let main_thread = (server.main_thread - self.server.main_thread).as_secs_f64();
        let own = (own.process - self.own.process).as_secs_f64();
        let quantile = |q| self.latencies.value_at_quantile(q) as f64 / 1e3;
        Ok(Report {
            seconds: elapsed,
            messages: self.messages,
            messages_per_second: messages / elapsed,
            bytes_received_per_second: self.bytes as f64 / elapsed,
            p50_us: quantile(0.5),
            p99_us: quantile(0.99),
            max_us: self.latencies.max() as f64 / 1e3,
            server_cpu_us_per_message: process * 1e6 / messages,
            server_main_thread_us_per_message: main_thread * 1e6 / messages,
            server_cpu_share: process / elapsed,
            load_cpu_share: own / elapsed,
        })
    }
}

/// The meter of a run with a warm-up: what happens before the warm-up's end is forgotten.
pub(crate) struct Clock {
    pub(crate) meter: Meter,
    measuring: bool,
    warm: Instant,
    end: Instant,
}

impl Clock {
    pub(crate) fn start(pid: u32, schedule: Schedule) -> io::Result<Self> {
        let meter = Meter::start(pid)?;
        let warm = Instant::now() + schedule.warm_up;
        Ok(Self { meter, measuring: false, warm, end: warm + schedule.measured })
    }

    /// Hands the events of `poll` to `serve`, together with the meter, until the run is over.
    pub(crate) fn drive(
        mut self,
        poll: &mut Poll,
        mut serve: impl FnMut(&Event, &mut Meter) -> io::Result<()>,
    ) -> io::Result<Report> {
        let mut events = Events::with_capacity(1024);
        loop {
            let now = Instant::now();
            if !self.advance(now)? {
                return self.meter.report();
            }
            poll.poll(&mut events, Some(self.timeout(now)))?;
            for event in &events {
                serve(event, &mut self.meter)?;
            }
        }
    }

    /// Goes on to what `now` is time for; `false` once the run is over.
    pub(crate) fn advance(&mut self, now: Instant) -> io::Result<bool> {
        if !self.measuring && now >= self.warm {
            let late = now - self.warm;
            self.meter = Meter::start(self.meter.pid)?;
            self.end += late;
            self.measuring = true;
        }
        Ok(now < self.end)
    }

    /// How long to wait for events at most.
    pub(crate) fn timeout(&self, now: Instant) -> Duration {
        let next = if self.measuring { self.end } else { self.warm };
        next.saturating_duration_since(now)
    }
}

//! Metrics of the process from the operating system, under the names that all of Prometheus' client libraries use.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// Read at each scrape. Metrics that the system does not report are left out: on systems other than Linux all of them.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let now = observe();
        let mut put = |name, help, unit: Option<&Unit>, metric: &dyn Metric| metric.put(&mut encoder, name, help, unit);
        if let Some(seconds) = now.cpu_seconds {
            let help = "Processor time used, in user mode and in the kernel, in seconds.";
            put("process_cpu", help, Some(&Unit::Seconds), &ConstCounter::new(seconds))?;
        }
        if let Some(seconds) = now.start_time {
            let help = "When the process started, in seconds since 1970.";
            put(
                "process_start_time",
                help,
                Some(&Unit::Seconds),
                &ConstGauge::new(seconds),
            )?;
        }
        for (name, help, unit, value) in [
            ("process_open_fds", "Open file descriptors.", None, now.open_fds),
            (
                "process_max_fds",
                "The most file descriptors that may be open.",
                None,
                now.max_fds,
            ),
            ("process_threads", "Threads of the process.", None, now.threads),
            (
                "process_resident_memory",
                "Resident memory in bytes.",
                Some(Unit::Bytes),
                now.resident,
            ),
            (
                "process_virtual_memory",
                "Virtual memory in bytes.",
                Some(Unit::Bytes),
                now.virtual_memory,
            ),
        ] {
            if let Some(value) = value {
                put(name, help, unit.as_ref(), &ConstGauge::new(value))?;
            }
        }
        Ok(())
    }
}

trait Metric {
    fn put(&self, encoder: &mut DescriptorEncoder, name: &str, help: &str, unit: Option<&Unit>) -> fmt::Result;
}

impl<M: EncodeMetric> Metric for M {
    fn put(&self, encoder: &mut DescriptorEncoder, name: &str, help: &str, unit: Option<&Unit>) -> fmt::Result {
        self.encode(encoder.encode_descriptor(name, help, unit, self.metric_type())?)
    }
}

#[derive(Debug, Default)]
struct Observed {
    cpu_seconds: Option<f64>,
    start_time: Option<f64>,
    open_fds: Option<u64>,
    max_fds: Option<u64>,
    threads: Option<u64>,
    resident: Option<u64>,
    virtual_memory: Option<u64>,
}

#[cfg(target_os = "linux")]
fn observe() -> Observed {
    use procfs::WithCurrentSystemInfo as _;
    use procfs::process::{LimitValue, Process};

    let Ok(process) = Process::myself() else {
        return Observed::default();
    };
    let stat = process.stat().ok();
    let ticks = procfs::ticks_per_second() as f64;
    let boot = procfs::boot_time_secs().ok();
    let limits = process.limits().ok();
    Observed {
        cpu_seconds: stat.as_ref().map(|stat| (stat.utime + stat.stime) as f64 / ticks),
        start_time: stat
            .as_ref()
            .zip(boot)
            .map(|(stat, boot)| boot as f64 + stat.starttime as f64 / ticks),
        open_fds: process.fd_count().ok().map(|count| count as u64),
        max_fds: limits.and_then(|limits| match limits.max_open_files.soft_limit {
            LimitValue::Value(limit) => Some(limit),
            LimitValue::Unlimited => None,
        }),
        threads: stat.as_ref().and_then(|stat| stat.num_threads.try_into().ok()),
        resident: stat.as_ref().map(|stat| stat.rss_bytes().get()),
        virtual_memory: stat.map(|stat| stat.vsize),
    }
}

#[cfg(not(target_os = "linux"))]
fn observe() -> Observed {
    Observed::default()
}

//! What the program's caller has said about signals.

/// The signals that are ignored, as a set: bit n-1 is signal n. Only Linux tells it without `unsafe`.
#[cfg(unix)]
pub(crate) fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.map_or(0, |set| u64::from_str_radix(set.trim(), 16).unwrap_or_default())
}

//! How many files and connections the process may have open.

/// The largest limit that is requested: some systems have none, and tables grow with it.
#[cfg(unix)]
const MOST: u64 = 1 << 20;

/// Raises the soft limit to the hard one, as servers do (the soft limit is low only for programs that use `select`),
/// and returns the current limit; `None` if there is no limit or it is unknown.
#[cfg(unix)]
pub(crate) fn raise() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let before = getrlimit(Resource::Nofile);
    let current = before.current?;
    let wanted = before.maximum.map_or(MOST, |maximum| maximum.min(MOST));
    if wanted > current {
        let raised = Rlimit {
            current: Some(wanted),
            maximum: before.maximum,
        };
        match setrlimit(Resource::Nofile, raised) {
            Ok(()) => return Some(wanted),
            Err(error) => tracing::warn!(%error, "the limit on open files could not be raised"),
        }
    }
    Some(current)
}

#[cfg(not(unix))]
pub(crate) fn raise() -> Option<u64> {
    None
}

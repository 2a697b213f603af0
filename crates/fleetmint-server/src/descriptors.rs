//! How many files and connections the process may have open.

/// The most that is asked for: some systems give no limit, and tables grow with it.
#[cfg(unix)]
const MOST: u64 = 1 << 20;

/// Raises the soft limit to the hard one, as servers do (the soft limit is low for the sake of programs that use
/// `select`), and gives what the process has now; `None` where there is no limit or none is known.
#[cfg(unix)]
pub(crate) fn raise() -> Option<u64> {
    use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};
    let (current, maximum) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    if current == RLIM_INFINITY {
        return None;
    }
    // No limit is the largest number.
    let wanted = maximum.min(MOST);
    if wanted > current {
        match setrlimit(Resource::RLIMIT_NOFILE, wanted, maximum) {
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

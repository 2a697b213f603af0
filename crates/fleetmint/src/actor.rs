//! Who runs this command, for the audit trail.

/// `os:` and the name of the user that the process runs as, or its number where it has no name.
#[cfg(unix)]
pub(crate) fn name() -> String {
    let id = nix::unistd::geteuid();
    match nix::unistd::User::from_uid(id) {
        Ok(Some(user)) => format!("os:{}", user.name),
        Ok(None) | Err(_) => format!("os:{id}"),
    }
}

/// `os:` and the name of the user as the environment has it.
#[cfg(not(unix))]
pub(crate) fn name() -> String {
    format!("os:{}", std::env::var("USERNAME").unwrap_or_default())
}

//! The users of the operating system, for the audit trail.

/// `os:` and the name of the user that this process runs as, or the number of a user without a name.
#[cfg(unix)]
pub fn current_actor() -> String {
    actor(rustix::process::geteuid().as_raw())
}

/// The same for the user with this number. Blocks where names come from a directory service.
#[cfg(unix)]
pub(crate) fn actor(uid: u32) -> String {
    match nix::unistd::User::from_uid(uid.into()) {
        Ok(Some(user)) => format!("os:{}", user.name),
        Ok(None) | Err(_) => format!("os:{uid}"),
    }
}

/// `os:` and the name of the user in the environment.
#[cfg(not(unix))]
pub fn current_actor() -> String {
    format!("os:{}", std::env::var("USERNAME").unwrap_or_default())
}

//! The source of randomness.

use std::fmt::Display;
use std::io::Write as _;

/// A source of unpredictable bytes for keys, secrets and nonces.
pub trait Random: Send + Sync + std::fmt::Debug {
    /// Fills the buffer. It does not fail: without randomness the process ends.
    fn fill(&self, bytes: &mut [u8]);
}

/// The operating system's cryptographic random generator.
#[derive(Clone, Copy, Debug)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) {
        if let Err(cause) = getrandom::fill(bytes) {
            end_process(cause);
        }
    }
}

/// Ends the process because the operating system has no random bytes.
///
/// Every secret, key and nonce needs them, so there is nothing that the service could still do correctly. It is not a
/// panic, which the handling of one request would catch, and not an `abort`, whose core dump would contain the master
/// key. Everything that callers were told is committed in the database by then, so ending here is like any other crash.
pub(crate) fn end_process(cause: impl Display) -> ! {
    // Not through the log, whose filter may hide it. If standard error is closed, nobody can be informed.
    let _ = writeln!(
        std::io::stderr(),
        "the operating system gave no random bytes, and nothing can be kept secret without them: {cause}"
    );
    std::process::exit(2)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Set in the child process, which ends.
    const ENDS: &str = "FLEETMINT_TEST_WITHOUT_RANDOMNESS";

    #[test]
    fn the_process_ends_even_if_panics_are_caught() {
        if std::env::var_os(ENDS).is_some() {
            let _ = std::panic::catch_unwind(|| end_process("as the test wants it"));
            panic!("it goes on");
        }
        let this = "random::tests::the_process_ends_even_if_panics_are_caught";
        let ended = Command::new(std::env::current_exe().unwrap())
            .args([this, "--exact", "--nocapture"])
            .env(ENDS, "1")
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(2), "{errors}");
        assert!(
            errors.contains("gave no random bytes") && errors.contains("as the test wants it"),
            "{errors}"
        );
    }

    #[test]
    fn each_call_fills_in_different_bytes() {
        let (mut one, mut other) = ([0; 32], [0; 32]);
        SystemRandom.fill(&mut one);
        SystemRandom.fill(&mut other);
        assert_ne!(one, other);
        assert_ne!(one, [0; 32]);
    }
}

//! The Python that has the independent parts: Espressif's generator, esptool, a JOSE library.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// The interpreter, if it has this module. `None` is printed as SKIPPED, and is a failure under CI.
pub(crate) fn with(module: &str, test: &str) -> Option<OsString> {
    let python = std::env::var_os("FLEETMINT_TEST_PYTHON").unwrap_or_else(|| {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../.tools/venv/bin/python")
            .into_os_string()
    });
    let has_module = Command::new(&python)
        .args(["-c", &format!("import {module}")])
        .stderr(Stdio::null())
        .status();
    if has_module.is_ok_and(|status| status.success()) {
        return Some(python);
    }
    skip(&format!(
        "{test}: {} has no module {module}. `tools/install python` installs it; FLEETMINT_TEST_PYTHON names another \
         Python.",
        Path::new(&python).display()
    ));
    None
}

/// Prints that a test is skipped, and why. This is a failure under CI.
pub(crate) fn skip(why: &str) {
    let why = format!("SKIPPED: {why}\n");
    assert!(std::env::var_os("CI").is_none(), "{why}");
    // Not with a macro, whose output the test harness would capture.
    let _ = std::io::stderr().write_all(why.as_bytes());
}

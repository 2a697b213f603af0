//! Espressif's tools, installed for the tests.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::folder::Run;

/// A Python that has a module. `None` if there is none, which is printed.
pub(crate) fn python(module: &str, what: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python =
        std::env::var_os("FLEETMINT_TEST_PYTHON").map_or_else(|| root.join(".tools/venv/bin/python"), PathBuf::from);
    let installed = Command::new(&python)
        .args(["-c", &format!("import {module}")])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !installed {
        let why = format!(
            "SKIPPED: {what} is not installed for {}. `tools/install python` installs it; FLEETMINT_TEST_PYTHON names another \
             Python.\n",
            python.display()
        );
        assert!(std::env::var_os("CI").is_none(), "{why}");
        // Not with a macro, whose output the test harness would capture.
        let _ = std::io::stderr().write_all(why.as_bytes());
        return None;
    }
    Some(python)
}

/// Runs `nvs_partition_gen.py` with a command line's arguments, in this folder. `None` if it is not installed, which is
/// printed.
pub(crate) fn generator(folder: &Path, arguments: &str) -> Option<Run> {
    let python = python("esp_idf_nvs_partition_gen", "Espressif's NVS generator")?;
    let output = Command::new(python)
        .args(["-m", "esp_idf_nvs_partition_gen"])
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .unwrap();
    Some(Run::from(output))
}

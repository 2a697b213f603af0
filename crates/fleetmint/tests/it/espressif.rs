//! Espressif's generator, installed for the tests.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::folder::Run;

/// Runs `nvs_partition_gen.py` with a command line's arguments, in this folder. `None` if it is not installed, which is
/// printed.
pub(crate) fn generator(folder: &Path, arguments: &str) -> Option<Run> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python =
        std::env::var_os("FLEETMINT_TEST_PYTHON").map_or_else(|| root.join(".tools/venv/bin/python"), PathBuf::from);
    let installed = Command::new(&python)
        .args(["-c", "import esp_idf_nvs_partition_gen"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !installed {
        let why = format!(
            "SKIPPED: Espressif's NVS generator is not installed for {}. `tools/install python` installs it; \
             FLEETMINT_TEST_PYTHON names another Python.\n",
            python.display()
        );
        assert!(std::env::var_os("CI").is_none(), "{why}");
        // Not with a macro, whose output the test harness would capture.
        let _ = std::io::stderr().write_all(why.as_bytes());
        return None;
    }
    let output = Command::new(python)
        .args(["-m", "esp_idf_nvs_partition_gen"])
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .unwrap();
    Some(Run::from(output))
}

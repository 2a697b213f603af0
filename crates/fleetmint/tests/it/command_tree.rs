//! Commands, source files and test files have the same shape.

use std::path::Path;

use crate::folder::Folder;

/// The subcommands that the help of a command lists.
pub(crate) fn subcommands(command: &[&str]) -> Vec<String> {
    let help = Folder::new().run(command.iter().chain(&["--help"])).done().stdout;
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_string)
        .collect()
}

fn lacking(folder: &Path, names: &[String]) -> Vec<String> {
    let files = names.iter().map(|name| format!("{}.rs", name.replace('-', "_")));
    files.filter(|file| !folder.join(file).is_file()).collect()
}

#[test]
fn each_subcommand_of_nvs_has_its_source_file_and_its_test_file() {
    let names = subcommands(&["nvs"]);
    assert!(names.contains(&"generate".to_string()), "{names:?}");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert_eq!(lacking(&root.join("src/nvs"), &names), [""; 0]);
    assert_eq!(lacking(&root.join("tests/it/nvs"), &names), [""; 0]);
    // A test file that is not named in mod.rs would never run.
    let tests = std::fs::read_to_string(root.join("tests/it/nvs/mod.rs")).unwrap();
    for name in names {
        let line = format!("mod {};", name.replace('-', "_"));
        assert!(
            tests.lines().any(|found| found == line),
            "tests/it/nvs/mod.rs lacks `{line}`"
        );
    }
}

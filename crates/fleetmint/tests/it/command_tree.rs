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

/// The files that are missing in a folder for the subcommands of a command: one file each, or a folder for a subcommand that
/// has subcommands.
fn lacking(folder: &Path, command: &[&str], missing: &mut Vec<String>) {
    let modules = std::fs::read_to_string(folder.join("mod.rs"))
        .or_else(|_| std::fs::read_to_string(folder.join("main.rs")))
        .unwrap();
    for name in subcommands(command) {
        let file = name.replace('-', "_");
        let path = [command, &[&name]].concat();
        let exists = match subcommands(&path).is_empty() {
            true => folder.join(format!("{file}.rs")).is_file(),
            false => {
                lacking(&folder.join(&file), &path, missing);
                folder.join(&file).join("mod.rs").is_file()
            }
        };
        // A file that no module names would never be compiled.
        let named = modules.lines().any(|line| line == format!("mod {file};"));
        if !exists || !named {
            missing.push(format!("{}: {}", folder.display(), path.join(" ")));
        }
    }
}

#[test]
fn each_command_has_its_source_file_and_its_test_file() {
    assert!(subcommands(&["nvs"]).contains(&"generate".to_string()));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut missing = Vec::new();
    lacking(&root.join("src"), &[], &mut missing);
    lacking(&root.join("tests/it"), &[], &mut missing);
    assert_eq!(missing, [""; 0]);
}

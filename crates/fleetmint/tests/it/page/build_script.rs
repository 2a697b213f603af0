//! `build.rs`: what it says and lists with a page that was built, and without one. It is run by itself, for another `web`.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::folder::Folder;

fn compile(source: &Path, program: &Path) {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = Command::new(rustc);
    command.args(["--edition", "2024", "-o"]).arg(program).arg(source);
    let compiled = command.output().unwrap();
    let said = String::from_utf8_lossy(&compiled.stderr);
    assert!(compiled.status.success(), "{said}");
}

/// Runs the script in a workspace of its own.
fn run(folder: &Folder) -> Output {
    let script = folder.file("script");
    if !script.exists() {
        compile(&Path::new(env!("CARGO_MANIFEST_DIR")).join("build.rs"), &script);
        fs::create_dir_all(folder.file("crates/fleetmint")).unwrap();
        fs::create_dir_all(folder.file("out")).unwrap();
    }
    let mut command = Command::new(script);
    command.env("CARGO_MANIFEST_DIR", folder.file("crates/fleetmint"));
    let done = command.env("OUT_DIR", folder.file("out")).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    done
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What the program has of a list: its files, each with what it is sent as.
fn embedded(folder: &Folder, list: &str) -> Vec<String> {
    let source = format!(
        r##"
        struct Asset {{
            path: &'static str,
            content_type: &'static str,
            identity: &'static [u8],
            brotli: Option<&'static [u8]>,
            gzip: Option<&'static [u8]>,
            etag: &'static str,
        }}
        const FILES: &[Asset] = include!({:?});
        fn main() {{
            for Asset {{ path, content_type, identity, brotli, gzip, etag }} in FILES {{
                assert!(!etag.is_empty());
                println!("{{path}} {{content_type}} {{}} {{:?}} {{:?}}", identity.len(), brotli.map(<[u8]>::len), gzip.map(<[u8]>::len));
            }}
        }}
        "##,
        folder.file(list),
    );
    folder.write("lists.rs", source);
    compile(&folder.file("lists.rs"), &folder.file("lists"));
    let listed = Command::new(folder.file("lists")).output().unwrap();
    said(&listed).lines().map(str::to_owned).collect()
}

#[test]
fn without_a_page_it_warns_and_the_program_has_no_file_of_it() {
    let folder = Folder::new();
    fs::create_dir(folder.file("web")).unwrap();
    let output = said(&run(&folder));
    assert!(
        output.contains(
            "cargo::warning=this program is built without its page (web/dist and web/dist-inspector): \
             `tools/page build` makes it\n"
        ),
        "{output}"
    );
    // `tools/page build` touches it once there is a page.
    let watched = folder.file("crates/fleetmint/../../web/.gitignore");
    assert!(
        output.contains(&format!("cargo::rerun-if-changed={}\n", watched.display())),
        "{output}"
    );
    for list in ["out/dist.rs", "out/dist-inspector.rs"] {
        assert_eq!(embedded(&folder, list), [""; 0], "{list}");
    }
}

#[test]
fn each_of_the_two_pages_may_be_missing() {
    let folder = Folder::new();
    for (built, missing) in [("dist", "web/dist-inspector"), ("dist-inspector", "web/dist")] {
        folder.write(&format!("web/{built}/index.html"), "<!doctype html>");
        let output = said(&run(&folder));
        assert!(
            output.contains(&format!("built without its page ({missing}): ")),
            "{output}"
        );
        fs::remove_dir_all(folder.file("web")).unwrap();
    }
}

#[test]
fn a_page_is_listed_with_its_compressed_forms_and_without_what_the_build_has_left() {
    let folder = Folder::new();
    for (name, content) in [
        ("dist/index.html", "<!doctype html>"),
        ("dist/index.html.br", "12"),
        ("dist/index.html.gz", "123"),
        ("dist/assets/page-a1.js", "1234"),
        ("dist/assets/page-a1.wasm", "12345"),
        ("dist/.built-from", "a digest"),
        ("dist-inspector/index.html", "<!doctype html>"),
    ] {
        folder.write(&format!("web/{name}"), content);
    }
    let output = said(&run(&folder));
    assert!(!output.contains("warning"), "{output}");
    assert_eq!(
        embedded(&folder, "out/dist.rs"),
        [
            "assets/page-a1.js text/javascript; charset=utf-8 4 None None",
            "assets/page-a1.wasm application/wasm 5 None None",
            "index.html text/html; charset=utf-8 15 Some(2) Some(3)",
        ]
    );
    assert_eq!(
        embedded(&folder, "out/dist-inspector.rs"),
        ["index.html text/html; charset=utf-8 15 None None"]
    );
}

//! Writes the list of the files of the page, which `src/page` embeds: what `tools/page build` has left in `web/dist` and
//! `web/dist-inspector`. Nothing is built here, so a build of this crate needs no Node.js.

use std::collections::hash_map::DefaultHasher;
use std::fmt::Write as _;
use std::hash::Hasher as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let web = Path::new(&env::var("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../../web");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    println!("cargo::rerun-if-changed=build.rs");
    let mut missing = Vec::new();
    for name in ["dist", "dist-inspector"] {
        let folder = web.join(name);
        let mut files = Vec::new();
        if folder.join("index.html").exists() {
            println!("cargo::rerun-if-changed={}", folder.display());
            let folder = folder.canonicalize()?;
            find(&folder, &folder, &mut files)?;
        } else {
            // A path that does not exist would make each build a new one. `tools/page` touches this file when it has
            // built the page.
            println!("cargo::rerun-if-changed={}", web.join(".gitignore").display());
            missing.push(name);
        }
        files.sort();
        let mut list = String::from("&[\n");
        for (path, file) in &files {
            describe(&mut list, path, file)?;
        }
        list.push_str("]\n");
        fs::write(out.join(format!("{name}.rs")), list)?;
    }
    if !missing.is_empty() {
        println!(
            "cargo::warning=this program is built without its page (web/{}): `tools/page build` makes it",
            missing.join(" and web/")
        );
    }
    Ok(())
}

/// The files below a folder, each with its path there. Compressed forms are of another file, and hidden files of the build.
fn find(root: &Path, folder: &Path, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            find(root, &path, files)?;
        } else if !name.starts_with('.') && !name.ends_with(".br") && !name.ends_with(".gz") {
            let below = path.strip_prefix(root).unwrap_or(&path);
            let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
            files.push((parts.join("/"), path));
        }
    }
    Ok(())
}

fn describe(list: &mut String, path: &str, file: &Path) -> io::Result<()> {
    let mut hasher = DefaultHasher::new();
    let bytes = fs::read(file)?;
    hasher.write(&bytes);
    // The inspector's files have no compressed forms: what is exported is for any web server, or for none.
    let compressed = |suffix: &str| {
        let name = format!("{}.{suffix}", file.display());
        match Path::new(&name).exists() {
            true => format!("Some(include_bytes!({name:?}))"),
            false => String::from("None"),
        }
    };
    let written = writeln!(
        list,
        "Asset {{ path: {path:?}, content_type: {:?}, identity: include_bytes!({:?}), brotli: {}, gzip: {}, etag: \"{:x}-{:016x}\" }},",
        content_type(path),
        file.display().to_string(),
        compressed("br"),
        compressed("gz"),
        bytes.len(),
        hasher.finish(),
    );
    written.map_err(io::Error::other)
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "wasm" => "application/wasm",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "md" => "text/markdown; charset=utf-8",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

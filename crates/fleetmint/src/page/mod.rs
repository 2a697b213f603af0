//! The page: what the program has of it, and `fleetmint page`.

mod export;

use clap::Subcommand;

use crate::exit::Failure;

/// Use the program's page without a server
///
/// The page itself is where `fleetmint serve` listens: open that address in a browser.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Export(export::Arguments),
}

pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Export(arguments) => export::run(arguments),
    }
}

#[cfg(feature = "serve")]
pub(crate) use served::ASSETS;

/// The page as the server sends it.
#[cfg(feature = "serve")]
mod served {
    use fleetmint_server::page::Asset;

    const BUILT: &[Asset] = include!(concat!(env!("OUT_DIR"), "/dist.rs"));

    /// In place of a page that was not built.
    const MISSING: &[Asset] = &[Asset {
        path: "index.html",
        content_type: "text/html; charset=utf-8",
        identity: include_bytes!("missing.html"),
        brotli: None,
        gzip: None,
        etag: "missing",
    }];

    pub(crate) static ASSETS: &[Asset] = if BUILT.is_empty() { MISSING } else { BUILT };
}

/// The inspector of NVS partitions as a folder of files.
mod inspector {
    /// What the list says of a file, as the server needs it.
    #[expect(dead_code, reason = "a file in a folder needs its path and its bytes")]
    pub(super) struct Asset {
        pub(super) path: &'static str,
        pub(super) content_type: &'static str,
        pub(super) identity: &'static [u8],
        pub(super) brotli: Option<&'static [u8]>,
        pub(super) gzip: Option<&'static [u8]>,
        pub(super) etag: &'static str,
    }

    pub(super) static FILES: &[Asset] = include!(concat!(env!("OUT_DIR"), "/dist-inspector.rs"));
}

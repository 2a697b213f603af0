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

    pub(crate) static ASSETS: &[Asset] = shown(BUILT);

    const fn shown(built: &'static [Asset]) -> &'static [Asset] {
        if built.is_empty() { MISSING } else { built }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn in_place_of_a_page_that_was_not_built_stands_one_that_says_how_to_build_it() {
            let [page] = shown(&[]) else {
                panic!("it has one file");
            };
            assert_eq!(
                (page.path, page.content_type),
                ("index.html", "text/html; charset=utf-8")
            );
            let text = std::str::from_utf8(page.identity).unwrap();
            for said in [
                "built without its page",
                "tools/page build\ncargo build --release -p fleetmint",
                "href=\"./api/docs\"",
            ] {
                assert!(text.contains(said), "{said}");
            }
            // The policy of the page allows neither inline scripts nor inline styles.
            for forbidden in ["<script", "<style", "style=", "src="] {
                assert!(!text.contains(forbidden), "{forbidden}");
            }
            assert!((page.brotli, page.gzip) == (None, None));
        }

        #[test]
        fn a_page_that_was_built_is_shown() {
            let built: &'static [Asset] = &[Asset {
                path: "favicon.svg",
                content_type: "image/svg+xml",
                identity: b"<svg/>",
                brotli: None,
                gzip: None,
                etag: "6",
            }];
            assert_eq!(shown(built)[0].path, "favicon.svg");
        }
    }
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

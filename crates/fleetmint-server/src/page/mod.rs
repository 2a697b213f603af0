//! The page that the program brings along: static files, as the build compressed them.
//!
//! The program hands them over as [`Asset`]s at its start. Nothing in them is known here but `index.html`: it is shown at
//! every path of the page, so its references, relative to its own folder in the build, become absolute.

pub(crate) mod http;

use axum::body::Bytes;

use crate::http::compress;
use crate::http::prefix::Prefix;
use crate::version::Version;

/// A file of the page, with its compressed forms.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Below the root, without a slash at the beginning: `index.html`, `assets/index-B2x.js`.
    pub path: &'static str,
    pub content_type: &'static str,
    pub identity: &'static [u8],
    pub brotli: Option<&'static [u8]>,
    pub gzip: Option<&'static [u8]>,
    /// Names the content of `identity`, without quotes.
    pub etag: &'static str,
}

/// The file that is shown at every path of [`PATHS`].
const INDEX: &str = "index.html";

/// The folder of files whose names change with their content.
const HASHED: &str = "assets/";

/// Where the page is shown. The page itself chooses the view by the path.
pub const PATHS: &[&str] = &[
    "/",
    "/sign-in",
    "/devices",
    "/devices/{id}",
    "/models",
    "/models/{id}",
    "/boards",
    "/boards/{mac}",
    "/settings",
    "/audit",
    "/inspector",
];

/// A file as it is served.
#[derive(Clone, Debug, PartialEq, Eq)]
struct File {
    content_type: &'static str,
    identity: Bytes,
    brotli: Option<Bytes>,
    gzip: Option<Bytes>,
    etag: String,
    /// Whether its name changes with its content.
    is_hashed: bool,
}

impl File {
    fn of(asset: &Asset) -> Self {
        Self {
            content_type: asset.content_type,
            identity: Bytes::from_static(asset.identity),
            brotli: asset.brotli.map(Bytes::from_static),
            gzip: asset.gzip.map(Bytes::from_static),
            etag: asset.etag.to_owned(),
            is_hashed: asset.path.starts_with(HASHED),
        }
    }

    /// `index.html` with its references made absolute, below the path at which a proxy serves the page.
    fn index(asset: &Asset, prefix: &Prefix) -> Self {
        let text = String::from_utf8_lossy(asset.identity);
        let text = text.replace("=\"./", &format!("=\"{}", prefix.path("/")));
        let gzip = compress::smallest(text.as_bytes());
        Self {
            etag: Version::digest().text(&text).finish().to_string(),
            brotli: None,
            gzip: Some(gzip).filter(|gzip| gzip.len() < text.len()),
            identity: text.into(),
            ..Self::of(asset)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    const ASSET: Asset = Asset {
        path: INDEX,
        content_type: "text/html; charset=utf-8",
        identity: b"<link href=\"./favicon.svg\"><script src=\"./assets/a.js\"></script> a=./b",
        brotli: Some(b"br"),
        gzip: Some(b"gzip"),
        etag: "e",
    };

    #[test]
    fn references_of_the_index_begin_at_the_root_or_below_the_path_of_a_proxy() {
        let index = |url: Option<&str>| File::index(&ASSET, &Prefix::of(url));
        let root = index(Some("http://127.0.0.1:8080"));
        assert_eq!(
            root.identity,
            "<link href=\"/favicon.svg\"><script src=\"/assets/a.js\"></script> a=./b"
        );
        let below = index(Some("https://example.com/fleet/"));
        assert_eq!(
            below.identity,
            "<link href=\"/fleet/favicon.svg\"><script src=\"/fleet/assets/a.js\"></script> a=./b"
        );
        // Its other forms are of the same text.
        assert_ne!(root.etag, below.etag);
        assert_eq!(root.brotli, None);
        if let Some(gzip) = below.gzip {
            let mut text = String::new();
            flate2::read::GzDecoder::new(&*gzip).read_to_string(&mut text).unwrap();
            assert_eq!(text, below.identity);
        }
    }
}

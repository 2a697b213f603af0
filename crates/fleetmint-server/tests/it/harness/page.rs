//! A page of a few small files, as a build hands them over.

use fleetmint_server::page::Asset;

/// The compressed forms are no real ones: the server never looks into them.
pub(crate) const ASSETS: &[Asset] = &[
    Asset {
        path: "index.html",
        content_type: "text/html; charset=utf-8",
        identity:
            b"<!doctype html><title>Fleetmint</title><script type=\"module\" src=\"./assets/index-B2x.js\"></script>",
        brotli: Some(b"index in brotli"),
        gzip: Some(b"index in gzip"),
        etag: "1",
    },
    Asset {
        path: "assets/index-B2x.js",
        content_type: "text/javascript; charset=utf-8",
        identity: b"document.title = 'Fleetmint';",
        brotli: Some(b"script in brotli"),
        gzip: Some(b"script in gzip"),
        etag: "2",
    },
    Asset {
        path: "assets/nvs-C3y.wasm",
        content_type: "application/wasm",
        identity: b"\0asm",
        brotli: None,
        gzip: Some(b"wasm in gzip"),
        etag: "3",
    },
    Asset {
        path: "favicon.svg",
        content_type: "image/svg+xml",
        identity: b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>",
        brotli: None,
        gzip: None,
        etag: "4",
    },
];

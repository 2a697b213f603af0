//! The page that the program brings along: static files, and where they are served.

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

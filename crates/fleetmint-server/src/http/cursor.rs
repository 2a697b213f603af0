//! Cursors of lists: a place in a list as callers send it back. Independent of the server, so that the fuzz targets
//! build it alone.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::database::after::After;

/// The content of a cursor: the column that the list is sorted by, whether it is descending, and the end of the last
/// page. A place is only valid in its own order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor(pub(crate) String, pub(crate) bool, pub(crate) After);

impl Cursor {
    /// The text that callers send back.
    pub(crate) fn encode(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// Reads a cursor that a caller sent.
    pub(crate) fn decode(text: &str) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        serde_json::from_slice(&bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoded_cursor_is_decoded() {
        for after in [
            After::Number(i64::MIN, 1),
            After::Text("K\u{FC}che \"\u{0}".to_owned(), i64::MAX),
        ] {
            let cursor = Cursor("name".to_owned(), true, after);
            assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
        }
    }

    #[test]
    fn anything_else_is_not_a_cursor() {
        let encoded = |json: &str| BASE64_URL_SAFE_NO_PAD.encode(json);
        for text in [
            "",
            "!",
            "bmFtZQ==",
            &encoded("{}"),
            &encoded("[\"name\",true]"),
            &encoded("[\"name\",true,[1.5,2]]"),
            &encoded("[\"name\",true,[1,2,3]]"),
            &encoded("[\"name\",true,[1,2]]x"),
            &encoded(&"[".repeat(100_000)),
        ] {
            assert_eq!(Cursor::decode(text), None, "{text:.40}");
        }
    }
}

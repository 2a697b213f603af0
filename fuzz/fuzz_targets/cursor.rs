//! Any text as the cursor of a list: a cursor that was read is the same after writing and reading it again, and so is
//! any place in any order.
#![no_main]

use cursor::Cursor;
use database::after::After;
use libfuzzer_sys::fuzz_target;

#[path = "../../crates/fleetmint-server/src/http/cursor.rs"]
mod cursor;

#[path = "../../crates/fleetmint-server/src/database/after.rs"]
#[allow(dead_code, reason = "the lists use more of it")]
mod after;

/// The same path as in the server.
mod database {
    pub(crate) use crate::after;
}

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    if let Some(cursor) = Cursor::decode(&text) {
        comes_back(&cursor);
    }
    // The text inside of base64, so that most inputs get past it.
    let encoded = base64::Engine::encode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, data);
    if let Some(cursor) = Cursor::decode(&encoded) {
        comes_back(&cursor);
    }
    let Some((head, rest)) = data.split_first_chunk() else {
        return;
    };
    let number = i64::from_le_bytes(*head);
    let rest = String::from_utf8_lossy(rest).into_owned();
    comes_back(&Cursor(
        rest.clone(),
        number & 1 == 0,
        After::Number(number, number.rotate_left(7)),
    ));
    comes_back(&Cursor("name".to_owned(), number & 1 == 0, After::Text(rest, number)));
});

fn comes_back(cursor: &Cursor) {
    let text = cursor.encode();
    assert!(
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    );
    assert_eq!(Cursor::decode(&text).as_ref(), Some(cursor));
}

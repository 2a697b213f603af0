//! Growth of memory that may hold a secret. A vector or a string that grows by itself leaves a copy of its content behind in
//! freed memory; here the old memory is overwritten first.

use alloc::string::String;
use alloc::vec::Vec;
use zeroize::Zeroize;

/// The least room that is made: most fields of a table fit.
const ROOM_MIN: usize = 16;

/// Makes room for so many more bytes.
#[inline]
pub(crate) fn make_room(bytes: &mut Vec<u8>, more: usize) {
    if bytes.capacity() - bytes.len() < more {
        let mut larger = Vec::with_capacity(grown(bytes.len(), more));
        larger.extend_from_slice(bytes);
        core::mem::replace(bytes, larger).zeroize();
    }
}

/// Appends a character.
#[inline]
pub(crate) fn push(text: &mut String, char: char) {
    make_room_for_text(text, char.len_utf8());
    text.push(char);
}

/// Appends a text.
#[inline]
pub(crate) fn push_str(text: &mut String, more: &str) {
    make_room_for_text(text, more.len());
    text.push_str(more);
}

#[inline]
fn make_room_for_text(text: &mut String, more: usize) {
    if text.capacity() - text.len() < more {
        let mut larger = String::with_capacity(grown(text.len(), more));
        larger.push_str(text);
        core::mem::replace(text, larger).zeroize();
    }
}

/// Twice the room at least, so that appending many small pieces costs as much as they are long.
#[cold]
fn grown(length: usize, more: usize) -> usize {
    length.saturating_add(more).max(length.saturating_mul(2)).max(ROOM_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appending_keeps_what_was_there_and_never_makes_the_vector_grow_by_itself() {
        let (mut text, mut plain) = (String::new(), String::new());
        let mut bytes = Vec::new();
        for (count, char) in "aä€😀".chars().cycle().take(500).enumerate() {
            push(&mut text, char);
            plain.push(char);
            if count % 50 == 0 {
                push_str(&mut text, "piece");
                plain.push_str("piece");
            }
            assert_eq!(text, plain);

            make_room(&mut bytes, count);
            let (place, capacity) = (bytes.as_ptr(), bytes.capacity());
            bytes.resize(bytes.len() + count, count as u8);
            assert_eq!((bytes.as_ptr(), bytes.capacity()), (place, capacity));
        }
        assert!(bytes.capacity() <= 2 * bytes.len());
        push_str(&mut text, "");
        make_room(&mut bytes, 0);
        assert_eq!(text, plain);
    }
}

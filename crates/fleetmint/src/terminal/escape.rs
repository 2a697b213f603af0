//! Bytes from an image, a table, a file's name or another server, as a terminal or a log may have them.
//!
//! A terminal obeys control characters, and characters that only format text can show it in another order than it has,
//! or hide a part of it. So each is written as its number instead.

use std::borrow::Cow;

/// Whether a character does something other than to be seen: controls (C0, DEL, C1), what Unicode calls format characters
/// (directions, joiners, tags), and the separators of lines and paragraphs.
///
/// Source: the general categories Cc, Cf, Zl and Zp of Unicode 16.
pub(crate) const fn is_unseen(char: char) -> bool {
    matches!(
        char,
        '\0'..='\u{1F}'
            | '\u{7F}'..='\u{9F}'
            | '\u{AD}'
            | '\u{600}'..='\u{605}'
            | '\u{61C}'
            | '\u{6DD}'
            | '\u{70F}'
            | '\u{890}'..='\u{891}'
            | '\u{8E2}'
            | '\u{180E}'
            | '\u{200B}'..='\u{200F}'
            | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{FEFF}'
            | '\u{FFF9}'..='\u{FFFB}'
            | '\u{110BD}'
            | '\u{110CD}'
            | '\u{13430}'..='\u{1343F}'
            | '\u{1BCA0}'..='\u{1BCA3}'
            | '\u{1D173}'..='\u{1D17A}'
            | '\u{E0001}'
            | '\u{E0020}'..='\u{E007F}'
    )
}

/// Text of one line: everything unseen as `\n`, `\u{1b}`, `\u{202e}`.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    escaped(text, is_unseen, rust)
}

/// Text of several lines that are the program's own.
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |char| is_unseen(char) && !matches!(char, '\n' | '\t'), rust)
}

/// JSON text, as the serializer writes it: what is unseen can only be within its strings, as `\u202e`.
pub(crate) fn json(text: &str) -> Cow<'_, str> {
    escaped(text, |char| is_unseen(char) && !matches!(char, '\n' | '\t'), utf16)
}

fn rust(char: char, to: &mut String) {
    to.extend(char.escape_default());
}

fn utf16(char: char, to: &mut String) {
    for unit in char.encode_utf16(&mut [0; 2]) {
        to.push_str(&format!("\\u{unit:04x}"));
    }
}

fn escaped(text: &str, is_unseen: impl Fn(char) -> bool, write: impl Fn(char, &mut String)) -> Cow<'_, str> {
    if !text.chars().any(&is_unseen) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        if is_unseen(char) {
            write(char, &mut escaped);
        } else {
            escaped.push(char);
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_drives_a_terminal_is_written_as_its_number() {
        let text = "a\x1b[31m\u{7f}\u{9b}31m\u{202e}\u{2066}\u{200b}\u{2028}\u{e0041}\n\tä\u{301}✓";
        let seen = "a\\u{1b}[31m\\u{7f}\\u{9b}31m\\u{202e}\\u{2066}\\u{200b}\\u{2028}\\u{e0041}";
        assert_eq!(line(text), format!("{seen}\\n\\tä\u{301}✓"));
        assert_eq!(lines(text), format!("{seen}\n\tä\u{301}✓"));
    }

    #[test]
    fn json_stays_the_same_value() {
        let value = "\x1b\u{7f}\u{9b}\u{202e}\u{2029}\u{e0041}\"\\\nä🙂";
        let text = serde_json::to_string(value).unwrap();
        let text = json(&text);
        assert_eq!(
            text,
            "\"\\u001b\\u007f\\u009b\\u202e\\u2029\\udb40\\udc41\\\"\\\\\\nä🙂\""
        );
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), value);
    }
}

//! Foreign text for a terminal or a log: from an image, a table, the name of a file, another server or a caller.
//!
//! A terminal obeys control characters. Characters that format text can reorder it or hide a part of it. Each of them is
//! written as its number instead.

use std::borrow::Cow;
use std::io::{self, Write};

/// Whether a character is invisible: a control character (C0, DEL, C1), a format character (directions, joiners, tags), or a
/// separator of lines or paragraphs.
///
/// Source: the general categories Cc, Cf, Zl and Zp of Unicode 16.
#[must_use]
pub const fn is_unseen(char: char) -> bool {
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

/// Appends a character. An invisible one becomes `\n`, `\u{1b}` or `\u{202e}`.
pub fn push(char: char, to: &mut String) {
    if is_unseen(char) {
        to.extend(char.escape_default());
    } else {
        to.push(char);
    }
}

/// The text in one line: invisible characters become `\n`, `\u{1b}` or `\u{202e}`.
#[must_use]
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, is_unseen, push)
}

/// The same in at most `max` bytes, followed by `…` if the text is longer.
#[must_use]
pub fn bounded_line(text: &str, max: usize) -> String {
    let mut line = String::with_capacity(text.len().min(max));
    for char in text.chars() {
        let before = line.len();
        push(char, &mut line);
        if line.len() > max {
            line.truncate(before);
            line.push('…');
            break;
        }
    }
    line
}

/// The text in several lines. The line breaks and tabs must be the program's own.
#[must_use]
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, is_unseen_in_lines, push)
}

/// Writes what [`lines`] returns, without a copy of the text in memory.
///
/// # Errors
/// The writer's.
pub fn write_lines(text: &str, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
    write_escaped(text, out, |char, out| write!(out, "{}", char.escape_default()))
}

/// Writes what [`json`] returns, without a copy of the text in memory.
///
/// # Errors
/// The writer's.
pub fn write_json(text: &str, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
    write_escaped(text, out, |char, out| {
        char.encode_utf16(&mut [0; 2])
            .iter()
            .try_for_each(|unit| write!(out, "\\u{unit:04x}"))
    })
}

fn write_escaped<W: Write + ?Sized>(
    text: &str,
    out: &mut W,
    write: impl Fn(char, &mut W) -> io::Result<()>,
) -> io::Result<()> {
    let mut rest = text;
    while let Some((at, char)) = rest.char_indices().find(|(_, char)| is_unseen_in_lines(*char)) {
        let (before, after) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.write_all(before.as_bytes())?;
        write(char, out)?;
        rest = after.get(char.len_utf8()..).unwrap_or_default();
    }
    out.write_all(rest.as_bytes())
}

/// Whether a character is invisible, and no line break or tab.
fn is_unseen_in_lines(char: char) -> bool {
    is_unseen(char) && !matches!(char, '\n' | '\t')
}

/// JSON text as the serializer writes it. Invisible characters are only in its strings, where they become `\u202e`.
#[must_use]
pub fn json(text: &str) -> Cow<'_, str> {
    escaped(text, is_unseen_in_lines, utf16)
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
    fn what_is_written_is_what_would_be_returned() {
        let text = "a\x1b[31m\u{7f}\u{202e}\u{e0041}\n\tä\u{301}✓\u{200b}";
        for text in [text, "", "plain", "\u{1b}"] {
            let (mut as_lines, mut as_json) = (Vec::new(), Vec::new());
            write_lines(text, &mut as_lines).unwrap();
            write_json(text, &mut as_json).unwrap();
            assert_eq!(as_lines, lines(text).as_bytes());
            assert_eq!(as_json, json(text).as_bytes());
        }
    }

    #[test]
    fn a_line_is_bounded_between_characters() {
        assert_eq!(bounded_line("/api/\"x\"\\ü", 256), "/api/\"x\"\\ü");
        assert_eq!(
            bounded_line("a\r\n\u{1b}[31m\u{7f}\u{9b}\u{202e}\u{2028}z", 256),
            "a\\r\\n\\u{1b}[31m\\u{7f}\\u{9b}\\u{202e}\\u{2028}z"
        );
        assert_eq!(bounded_line(&"x".repeat(256), 256), "x".repeat(256));
        assert_eq!(bounded_line(&"x".repeat(257), 256), format!("{}…", "x".repeat(256)));
        // The escaped ones included.
        for last in ['ü', '\u{1b}'] {
            let text = format!("{}{last}", "x".repeat(255));
            assert_eq!(bounded_line(&text, 256), format!("{}…", "x".repeat(255)), "{last:?}");
        }
        assert_eq!(bounded_line("", 0), "");
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

//! A text with places for a device's values: `{{id}}` and `{{column:NAME}}`.
//!
//! A template for a code that is a JSON object or array as a whole keeps being one, whatever the values are: inside a string of
//! the JSON a value is escaped, outside of one it must be JSON itself. RainMaker's apps read such a code:
//!
//! ```text
//!   {"ver":"v1","name":"PROV_{{id}}","pop":"{{column:pop}}","transport":"ble"}
//! ```

use std::fmt::{self, Write};

use fleetmint_board::wiped::WipedText;
use serde::de::IgnoredAny;

const OPEN: &str = "{{";
const CLOSE: &str = "}}";

/// A template whose columns are known.
#[derive(Debug)]
pub(crate) struct Template {
    pieces: Vec<Piece>,
    is_json: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Value(Value, Form),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Id,
    /// The column's number, and its name for messages.
    Column(usize, String),
}

/// How a value becomes a part of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Plain,
    /// Inside the quotes of a JSON string.
    InString,
    /// In the place of a JSON value.
    Json,
}

/// Why a table has not exactly one column of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColumnError {
    Unknown,
    Ambiguous,
}

/// What is wrong with a template.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TemplateError {
    /// The character of the template, counted from 1.
    position: usize,
    kind: TemplateErrorKind,
}

#[derive(Debug, PartialEq, Eq)]
enum TemplateErrorKind {
    Unclosed,
    NoPlaceholder(String),
    Column(String, ColumnError),
    NotJson,
}

/// Why a template has no text for a device. It holds no value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RenderError {
    /// It has more bytes than this.
    TooLong(usize),
    /// The value of this column stands for a JSON value and is none.
    NotJson(String),
    /// The template is JSON, and the text is not.
    BrokenJson,
}

impl Template {
    /// Reads a template. `column` finds a column of the table by its name.
    pub(crate) fn parse(
        text: &str,
        column: &impl Fn(&str) -> Result<usize, ColumnError>,
    ) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(OPEN) {
            let start = text.len() - after.len() - OPEN.len();
            let error = |kind| TemplateError {
                position: text.get(..start).map_or(1, |before| before.chars().count() + 1),
                kind,
            };
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_string()));
            }
            let Some((name, after)) = after.split_once(CLOSE) else {
                return Err(error(TemplateErrorKind::Unclosed));
            };
            let value = match name.trim() {
                "id" => Value::Id,
                name => match name.strip_prefix("column:") {
                    Some(name) => match column(name) {
                        Ok(number) => Value::Column(number, name.to_string()),
                        Err(why) => return Err(error(TemplateErrorKind::Column(name.to_string(), why))),
                    },
                    None => return Err(error(TemplateErrorKind::NoPlaceholder(name.to_string()))),
                },
            };
            pieces.push(Piece::Value(value, Form::Plain));
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_string()));
        }
        Ok(Self { pieces, is_json: false })
    }

    /// Reads a template for a code, which may be JSON.
    pub(crate) fn parse_code(
        text: &str,
        column: &impl Fn(&str) -> Result<usize, ColumnError>,
    ) -> Result<Self, TemplateError> {
        let mut template = Self::parse(text, column)?;
        // `0` is a value of JSON, and also what the inside of a string may be.
        let example: String = template
            .pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text,
                Piece::Value(..) => "0",
            })
            .collect();
        if !example.trim_start().starts_with(['{', '[']) {
            return Ok(template);
        }
        if serde_json::from_str::<IgnoredAny>(&example).is_ok() {
            template.take_as_json();
        } else if looks_like_json(&example) {
            // Most likely a slip, and no app could read the codes.
            return Err(TemplateError {
                position: 1,
                kind: TemplateErrorKind::NotJson,
            });
        }
        Ok(template)
    }

    /// The template is JSON: each value is inside a string, or takes the place of a value.
    fn take_as_json(&mut self) {
        self.is_json = true;
        let (mut in_string, mut escaped) = (false, false);
        for piece in &mut self.pieces {
            match piece {
                Piece::Value(_, form) => *form = if in_string { Form::InString } else { Form::Json },
                Piece::Text(text) => {
                    for char in text.chars() {
                        match char {
                            _ if escaped => escaped = false,
                            '\\' => escaped = in_string,
                            '"' => in_string = !in_string,
                            _ => {}
                        }
                    }
                }
            }
        }
    }

    /// The text for a device, of at most `max` bytes.
    pub(crate) fn render<'a>(
        &self,
        id: &'a str,
        field: &impl Fn(usize) -> &'a str,
        max: usize,
    ) -> Result<WipedText, RenderError> {
        let mut text = WipedText::default();
        for piece in &self.pieces {
            let (value, form) = match piece {
                Piece::Text(piece) => (piece.as_str(), Form::Plain),
                Piece::Value(Value::Id, form) => (id, *form),
                Piece::Value(Value::Column(number, _), form) => (field(*number), *form),
            };
            // Before anything is copied: a value may be as long as the table.
            if value.len() > max.saturating_sub(text.len()) {
                return Err(RenderError::TooLong(max));
            }
            match form {
                Form::Plain => push(&mut text, value),
                Form::InString => push_escaped(&mut text, value),
                Form::Json if serde_json::from_str::<IgnoredAny>(value).is_ok() => push(&mut text, value),
                Form::Json => {
                    let name = match piece {
                        Piece::Value(Value::Column(_, name), _) => name,
                        _ => "id",
                    };
                    return Err(RenderError::NotJson(name.to_string()));
                }
            }
        }
        if text.len() > max {
            return Err(RenderError::TooLong(max));
        }
        // A place beside a digit or in an escape (`1{{id}}`, `\u000{{id}}`) takes no value of every kind.
        if self.is_json && serde_json::from_str::<IgnoredAny>(&text).is_err() {
            return Err(RenderError::BrokenJson);
        }
        Ok(text)
    }
}

/// A brace or a bracket, and then what JSON has there.
fn looks_like_json(text: &str) -> bool {
    let inside = text.trim_start().get(1..).unwrap_or_default().trim_start();
    inside.starts_with('"')
        || inside.starts_with('{') && inside.get(1..).unwrap_or_default().trim_start().starts_with('"')
}

fn push(text: &mut WipedText, more: &str) {
    // Writing to memory does not fail.
    let _ = text.write_str(more);
}

/// Adds a value to the inside of a JSON string (RFC 8259, section 7).
fn push_escaped(text: &mut WipedText, value: &str) {
    let mut plain = 0;
    for (place, byte) in value.bytes().enumerate() {
        if byte >= b' ' && byte != b'"' && byte != b'\\' {
            continue;
        }
        push(text, value.get(plain..place).unwrap_or_default());
        plain = place + 1;
        let _ = match byte {
            b'"' => text.write_str("\\\""),
            b'\\' => text.write_str("\\\\"),
            _ => write!(text, "\\u{byte:04x}"),
        };
    }
    push(text, value.get(plain..).unwrap_or_default());
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { position, kind } = self;
        write!(f, "character {position}: ")?;
        match kind {
            TemplateErrorKind::Unclosed => write!(f, "{OPEN:?} without {CLOSE:?} after it"),
            TemplateErrorKind::NoPlaceholder(name) => write!(
                f,
                "{name:?} is not known; {{{{id}}}} and {{{{column:NAME}}}} stand for values of a device"
            ),
            TemplateErrorKind::Column(name, ColumnError::Unknown) => {
                write!(f, "the table of values has no column {name:?}")
            }
            TemplateErrorKind::Column(name, ColumnError::Ambiguous) => {
                write!(f, "the table of values has more than one column {name:?}")
            }
            TemplateErrorKind::NotJson => write!(
                f,
                "it begins as JSON and is not JSON: check its quotes, commas and brackets; a place outside quotes stands for a number"
            ),
        }
    }
}

impl fmt::Display for RenderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(max) => write!(f, "the text has more than {max} bytes, the maximum"),
            Self::NotJson(column) => write!(
                f,
                "{column:?} stands outside quotes in JSON, and the value is not JSON: put {{{{…}}}} in quotes"
            ),
            Self::BrokenJson => write!(f, "the template is JSON, and with the values of this device it is not"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str) -> Result<usize, ColumnError> {
        match name {
            "pop" => Ok(0),
            "wifi key" => Ok(1),
            "twice" => Err(ColumnError::Ambiguous),
            _ => Err(ColumnError::Unknown),
        }
    }

    fn rendered(template: &str, id: &'static str, fields: [&'static str; 2]) -> Result<String, RenderError> {
        let template = Template::parse_code(template, &column).unwrap();
        template
            .render(id, &|number| fields[number], 2000)
            .map(|text| text.to_string())
    }

    #[test]
    fn values_take_their_places() {
        for (template, want) in [
            ("", ""),
            ("plain } text { here }}", "plain } text { here }}"),
            ("{{id}}", "ID"),
            ("a{{id}}{{ column:pop }}z", "aIDPOPz"),
            ("{{column:wifi key}}", "WIFI"),
            ("ä{{{id}}", ""),
        ] {
            if want.is_empty() && !template.is_empty() {
                assert!(Template::parse(template, &column).is_err(), "{template}");
            } else {
                assert_eq!(rendered(template, "ID", ["POP", "WIFI"]).unwrap(), want);
            }
        }
        // A value is not read as a template again.
        assert_eq!(
            rendered("{{id}}", "{{column:pop}}", ["POP", ""]).unwrap(),
            "{{column:pop}}"
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_its_position() {
        let said = |text: &str| Template::parse_code(text, &column).unwrap_err().to_string();
        assert_eq!(said("ab{{id"), "character 3: \"{{\" without \"}}\" after it");
        assert_eq!(said("ä{{id}}{{"), "character 8: \"{{\" without \"}}\" after it");
        assert_eq!(
            said("ä{{gone}}"),
            "character 2: \"gone\" is not known; {{id}} and {{column:NAME}} stand for values of a device"
        );
        assert_eq!(
            said("{{column:}}"),
            "character 1: the table of values has no column \"\""
        );
        assert_eq!(
            said("{{column:POP}}"),
            "character 1: the table of values has no column \"POP\""
        );
        assert_eq!(
            said("{{id}} {{column:twice}}"),
            "character 8: the table of values has more than one column \"twice\""
        );
        for slip in [
            r#"{"pop":"{{column:pop}}",}"#,
            r#"{"pop":"{{column:pop}}}"#,
            r#"{"pop":{{column:pop}}"#,
            r#"{"pop":"\{{id}}"}"#,
            r#"[{"pop":"{{column:pop}}"}"#,
            r#"["{{id}}""#,
        ] {
            assert!(
                said(slip).starts_with("character 1: it begins as JSON and is not JSON"),
                "{slip}"
            );
        }
    }

    #[test]
    fn json_stays_json_whatever_the_values_are() {
        const RAINMAKER: &str = r#"{"ver":"v1","name":"PROV_{{id}}","pop":"{{column:pop}}","transport":"ble"}"#;
        assert_eq!(
            rendered(RAINMAKER, "a1b2c3", ["abcd1234", ""]).unwrap(),
            r#"{"ver":"v1","name":"PROV_a1b2c3","pop":"abcd1234","transport":"ble"}"#
        );
        for evil in [
            r#"""#,
            r#"\"#,
            r#"\\""#,
            "\",\"pop\":\"x",
            "line\nbreak\ttab\u{1}\u{7f}",
            "grüße 中文 😀",
            "",
            "}}{{",
        ] {
            let text = rendered(RAINMAKER, evil, [evil, ""]).unwrap();
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(json["pop"], evil);
            assert_eq!(json["name"], format!("PROV_{evil}"));
            assert_eq!(json.as_object().unwrap().len(), 4);
        }
        // After an escaped quote it is still the same string.
        let text = rendered(r#"["a\"{{id}}\\","{{id}}"]"#, "\"", ["", ""]).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json, serde_json::json!(["a\"\"\\", "\""]));
    }

    #[test]
    fn outside_quotes_a_value_must_be_json() {
        let template = r#"{"n":{{column:pop}},"id":"{{id}}"}"#;
        assert_eq!(rendered(template, "1", ["42", ""]).unwrap(), r#"{"n":42,"id":"1"}"#);
        for wrong in ["", "abc", "1,\"x\":2", "1 2"] {
            assert_eq!(
                rendered(template, "1", [wrong, ""]).unwrap_err().to_string(),
                "\"pop\" stands outside quotes in JSON, and the value is not JSON: put {{…}} in quotes"
            );
        }
    }

    #[test]
    fn no_place_lets_a_value_break_the_json() {
        for (template, good, evil) in [(r#"{"n":1{{id}}}"#, "5", "\"x\""), (r#"["\u000{{id}}"]"#, "a", "z")] {
            assert!(rendered(template, good, ["6", ""]).is_ok(), "{template}");
            assert_eq!(
                rendered(template, evil, ["6", ""]),
                Err(RenderError::BrokenJson),
                "{template}"
            );
        }
    }

    #[test]
    fn other_texts_are_taken_as_they_are() {
        let wifi = "WIFI:T:WPA;S:{{id}};P:{{column:wifi key}};;";
        assert_eq!(
            rendered(wifi, "a\"b", ["", "c\\d"]).unwrap(),
            "WIFI:T:WPA;S:a\"b;P:c\\d;;"
        );
        assert_eq!(rendered("[{{id}}] \"x\"", "\"", ["", ""]).unwrap(), "[\"] \"x\"");
    }

    #[test]
    fn a_text_is_limited_before_it_is_copied() {
        let template = Template::parse("{{id}}{{id}}", &column).unwrap();
        let render = |max| template.render("12345", &|_| "", max).map(|text| text.len());
        assert_eq!(render(10), Ok(10));
        assert_eq!(render(9), Err(RenderError::TooLong(9)));
        let json = Template::parse_code(r#"["{{id}}"]"#, &column).unwrap();
        // The escaped value is longer than the value.
        assert_eq!(
            json.render("\n\n\n", &|_| "", 10).unwrap_err(),
            RenderError::TooLong(10)
        );
    }
}

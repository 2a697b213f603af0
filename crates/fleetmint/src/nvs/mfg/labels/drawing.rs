//! One label: where its code and its lines of text are, and the part of a PDF page that draws them.
//!
//! ```text
//!   wide                               as high as wide, or higher
//!   ┌─────────────────────────┐        ┌────────────┐
//!   │ ┌───────┐               │        │  ┌──────┐  │
//!   │ │ code  │  line 1       │        │  │ code │  │
//!   │ │       │  line 2       │        │  └──────┘  │
//!   │ └───────┘               │        │   line 1   │
//!   └─────────────────────────┘        └────────────┘
//! ```
//! The square of the code contains its quiet zone. All lengths are in points, 1/72 inch, from the label's lower left corner.

use std::collections::BTreeMap;
use std::fmt;

use fleetmint_board::wiped::Wiped;
use pdf_writer::{Content, Name, Settings, Str};

use super::code::{Code, QUIET, Run};
use super::font::{CAP_HEIGHT, Font, LINE, WIDTH};
use super::sheet::Sheet;

/// Points for each millimetre.
pub(crate) const MM: f32 = 72.0 / 25.4;

/// The font's name in the resources of a page.
pub(crate) const FONT_NAME: Name<'static> = Name(b"F");

/// The smallest module that a phone reads from a usual printer, in millimetres.
const MODULE_MIN: f32 = 0.25;

/// Sizes of the text: what cannot be read without effort, and from where on a line is rather broken than made smaller.
const SIZE_MIN: f32 = 4.5;
const SIZE_BREAK: f32 = 5.5;
const SIZE_MAX: f32 = 10.0;

/// What is on a label, before it has a place on a sheet. It holds the text of the code.
#[derive(Debug)]
pub(crate) struct Drawing {
    /// Operators of a content stream.
    pub(crate) content: Wiped,
    /// The glyphs of its text.
    pub(crate) glyphs: BTreeMap<u16, char>,
}

/// What no label can show. It holds no value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DrawingError {
    /// Lines and characters are counted from 1.
    NoGlyph { line: usize, character: usize },
    /// What the smallest text has room for.
    TooMuchText { columns: usize, rows: usize },
    /// The code's modules, with its quiet zone, and those that the label has room for.
    CodeTooLarge { modules: usize, limit: usize },
}

/// Where everything on a label is.
struct Arrangement<'a> {
    /// The upper left corner of the square of the code, and the side of a module.
    code: (f32, f32, f32),
    size: f32,
    lines: Vec<Placed<'a>>,
}

/// A line with the place where it begins.
type Placed<'a> = (&'a str, f32, f32);

/// The room for the text.
#[derive(Clone, Copy)]
struct Area {
    x: f32,
    y: f32,
    width: f32,
    height: f32,
    centred: bool,
}

/// Whether a label of a sheet has room for a code of so many modules and for this text.
pub(crate) fn check(sheet: &Sheet, modules: usize, text: &str, font: &Font) -> Result<(), DrawingError> {
    arrange(sheet, modules, text, font).map(drop)
}

/// Draws a label.
pub(crate) fn draw(sheet: &Sheet, code: &Code, text: &str, font: &Font) -> Result<Drawing, DrawingError> {
    let Arrangement {
        code: (x, y, module),
        size,
        lines,
    } = arrange(sheet, code.size(), text, font)?;
    // Room for all operators: memory that a vector grows out of would not be overwritten.
    const RUN: usize = "177 177 177 1 re ".len();
    const LINE: usize = 64;
    const CHARACTER: usize = r"\000\000".len();
    let room = 256 + code.runs().count() * RUN + lines.len() * LINE + text.len() * CHARACTER;
    let mut content = Content::with_settings_and_capacity(Settings { pretty: false }, room);
    // A module is a square of side 1, counted from the upper left.
    content.save_state().transform([module, 0.0, 0.0, -module, x, y]);
    for Run { x, y, length } in code.runs() {
        content.rect((x + QUIET) as f32, (y + QUIET) as f32, length as f32, 1.0);
    }
    content.fill_nonzero().restore_state();

    let mut glyphs = BTreeMap::new();
    content.begin_text().set_font(FONT_NAME, size);
    for (line, x, y) in lines {
        let mut shown = Wiped::with_capacity(line.len() * 2);
        for char in line.chars() {
            if let Some(glyph) = font.glyph(char) {
                glyphs.insert(glyph, char);
                // There is room for two bytes for each character.
                let _ = shown.push(&glyph.to_be_bytes());
            }
        }
        content.set_text_matrix([1.0, 0.0, 0.0, 1.0, x, y]);
        content.show(Str(shown.as_ref()));
    }
    content.end_text();
    Ok(Drawing {
        content: Wiped::from(content.finish().into_vec()),
        glyphs,
    })
}

fn arrange<'a>(sheet: &Sheet, modules: usize, text: &'a str, font: &Font) -> Result<Arrangement<'a>, DrawingError> {
    let text = text.trim_end_matches('\n');
    for (number, line) in text.split('\n').enumerate() {
        if let Some(character) = line.chars().position(|char| font.glyph(char).is_none()) {
            return Err(DrawingError::NoGlyph {
                line: number + 1,
                character: character + 1,
            });
        }
    }
    let (width, height) = (sheet.width * MM, sheet.height * MM);
    // A printer moves the paper by up to a millimetre, and labels have round corners.
    let edge = (width.min(height) * 0.06).clamp(MM, 2.5 * MM);
    let (room, tall) = (width - 2.0 * edge, height - 2.0 * edge);
    let (side, x, top, area);
    if text.is_empty() {
        side = room.min(tall);
        (x, top) = ((width - side) / 2.0, (height + side) / 2.0);
        area = None;
    } else if width >= 1.2 * height {
        side = tall.min(room * 0.6);
        (x, top) = (edge, (height + side) / 2.0);
        // The quiet zone already keeps the text away from the code.
        let begin = edge + side;
        area = Some(Area {
            x: begin,
            y: edge,
            width: width - edge - begin,
            height: tall,
            centred: false,
        });
    } else {
        side = room.min(tall * 0.75);
        (x, top) = ((width - side) / 2.0, height - edge);
        area = Some(Area {
            x: edge,
            y: edge,
            width: room,
            height: tall - side,
            centred: true,
        });
    }
    let all_modules = modules + 2 * QUIET;
    let module = side / all_modules as f32;
    if module < MODULE_MIN * MM {
        return Err(DrawingError::CodeTooLarge {
            modules: all_modules,
            limit: (side / (MODULE_MIN * MM)).max(0.0) as usize,
        });
    }
    let (size, lines) = area.map_or(Ok((SIZE_MAX, Vec::new())), |area| write(text, area))?;
    Ok(Arrangement {
        code: (x, top, module),
        size,
        lines,
    })
}

/// The size of the text in its room, and the places of its lines.
fn write(text: &str, area: Area) -> Result<(f32, Vec<Placed<'_>>), DrawingError> {
    let Area {
        x,
        y,
        width,
        height,
        centred,
    } = area;
    let (size, lines) = fit(text, width, height)?;
    // Capital letters are in the middle of the room.
    let block = (lines.len().saturating_sub(1)) as f32 * LINE * size + CAP_HEIGHT * size;
    let first = y + (height + block) / 2.0 - CAP_HEIGHT * size;
    let places = lines.into_iter().enumerate().map(|(number, line)| {
        let free = width - line.chars().count() as f32 * WIDTH * size;
        let begin = if centred { x + free / 2.0 } else { x };
        (line, begin, first - number as f32 * LINE * size)
    });
    Ok((size, places.collect()))
}

/// The largest size, up to [`SIZE_MAX`], in which the lines have room as they are; where that would be too small, long lines
/// are broken.
fn fit(text: &str, width: f32, height: f32) -> Result<(f32, Vec<&str>), DrawingError> {
    let lines: Vec<&str> = text.split('\n').collect();
    let longest = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0).max(1);
    let across = width / (longest as f32 * WIDTH);
    let down = height / ((lines.len().saturating_sub(1)) as f32 * LINE + 1.0);
    let whole = SIZE_MAX.min(across).min(down);
    if whole >= SIZE_BREAK {
        return Ok(((whole * 10.0).floor() / 10.0, lines));
    }
    let room = |size: f32| {
        let columns = (width / (WIDTH * size)).max(0.0) as usize;
        let rows = (((height / size - 1.0) / LINE) + 1.0).max(0.0) as usize;
        (columns, rows)
    };
    let mut size = SIZE_BREAK + 2.5;
    while size >= SIZE_MIN {
        let (columns, rows) = room(size);
        let broken: Vec<&str> = lines
            .iter()
            .flat_map(|line| break_line(line, columns))
            .take(rows + 1)
            .collect();
        if columns > 0 && broken.len() <= rows {
            return Ok((size, broken));
        }
        size -= 0.5;
    }
    let (columns, rows) = room(SIZE_MIN);
    Err(DrawingError::TooMuchText { columns, rows })
}

/// Parts of a line that have at most so many characters, broken after a space or a sign where one is near.
fn break_line(line: &str, columns: usize) -> impl Iterator<Item = &str> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let line = rest?;
        let Some((end, _)) = line.char_indices().nth(columns.max(1)) else {
            rest = None;
            return Some(line);
        };
        let begin = line.get(..end).unwrap_or_default();
        let after_sign = begin
            .char_indices()
            .rfind(|(_, char)| " -:/,;_.".contains(*char))
            .map(|(place, char)| place + char.len_utf8());
        let end = after_sign.filter(|place| *place * 2 > begin.len()).unwrap_or(end);
        let (part, next) = line.split_at_checked(end)?;
        rest = Some(next);
        Some(part.trim_end_matches(' '))
    })
}

impl fmt::Display for DrawingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoGlyph { line, character } => write!(
                f,
                "the font of the sheet has no sign for character {character} of line {line} of the label's text: it has Latin, \
                 Greek and Cyrillic letters"
            ),
            Self::TooMuchText { columns, rows } => write!(
                f,
                "the label has no room for its text: at the smallest size it holds {rows} lines of {columns} characters"
            ),
            Self::CodeTooLarge { modules, limit } => write!(
                f,
                "the code has {modules} modules on a side, with its quiet zone, and the label has room for {limit}: a module \
                 needs {MODULE_MIN} mm to be readable; shorten the code's text, or take larger labels"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::code::{Level, encode};
    use super::*;

    fn sheet(name: &str) -> Sheet {
        name.parse().unwrap()
    }

    fn arranged<'a>(name: &str, modules: usize, text: &'a str) -> Result<Arrangement<'a>, DrawingError> {
        arrange(&sheet(name), modules, text, &Font::new().unwrap())
    }

    #[test]
    fn everything_is_inside_of_the_label_and_apart() {
        for name in [
            "L7160",
            "L7651",
            "5160",
            "5163",
            "3474",
            "columns=3,rows=4,width=50,height=50",
        ] {
            for text in [
                "1",
                "24:0a:c4:00:01:10",
                "sensor-0001\nPROV_a1b2c3\npop abcd1234",
                "",
                "a\n\nb",
            ] {
                let Arrangement {
                    code: (x, top, module),
                    size,
                    lines,
                } = arranged(name, 37, text).unwrap();
                let sheet = sheet(name);
                let (width, height) = (sheet.width * MM, sheet.height * MM);
                let side = module * 45.0;
                assert!(x >= MM && x + side <= width - MM + 0.01, "{name}");
                assert!(top <= height - MM + 0.01 && top - side >= MM - 0.01, "{name}");
                assert!(if text.is_empty() {
                    lines.is_empty()
                } else {
                    lines.len() >= text.split('\n').count()
                });
                for (line, begin, base) in lines {
                    let end = begin + line.chars().count() as f32 * WIDTH * size;
                    assert!(begin >= MM && end <= width - MM + 0.01, "{name} {line}");
                    assert!(base >= MM && base + CAP_HEIGHT * size <= height - MM, "{name} {line}");
                    let beside = begin >= x + side - 0.01;
                    let below = base + CAP_HEIGHT * size <= top - side + 0.01;
                    assert!(beside || below, "{name} {line}");
                }
            }
        }
    }

    #[test]
    fn long_lines_are_made_smaller_and_then_broken() {
        assert_eq!(arranged("L7160", 29, "0001").unwrap().size, SIZE_MAX);
        let mac = arranged("L7160", 29, "24:0a:c4:00:01:10").unwrap();
        assert!(
            mac.size >= SIZE_BREAK && mac.size < SIZE_MAX && mac.lines.len() == 1,
            "{}",
            mac.size
        );
        let uuid = arranged("L7160", 29, "123e4567-e89b-12d3-a456-426614174000").unwrap();
        assert!(uuid.size >= SIZE_BREAK, "{}", uuid.size);
        let lines: Vec<&str> = uuid.lines.iter().map(|(line, ..)| *line).collect();
        assert!(lines.len() > 1 && lines.concat() == "123e4567-e89b-12d3-a456-426614174000");
        assert!(lines[0].ends_with('-'), "{lines:?}");
        let parts = |line, columns| break_line(line, columns).collect::<Vec<_>>();
        assert_eq!(parts("", 3), [""]);
        assert_eq!(parts("abcdefg", 3), ["abc", "def", "g"]);
        assert_eq!(parts("ab cd ef", 5), ["ab", "cd ef"]);
        assert_eq!(parts("größe", 2), ["gr", "öß", "e"]);
        assert_eq!(parts("ab", 0), ["a", "b"]);
    }

    #[test]
    fn what_has_no_room_is_refused_with_the_limit() {
        let said = |name: &str, modules, text: &str| arranged(name, modules, text).err().unwrap().to_string();
        assert_eq!(
            said("L7651", 177, "1"),
            "the code has 185 modules on a side, with its quiet zone, and the label has room for 74: a module needs 0.25 mm to be \
             readable; shorten the code's text, or take larger labels"
        );
        assert!(
            said("L7160", 29, &"x".repeat(700))
                .starts_with("the label has no room for its text: at the smallest size it holds ")
        );
        assert!(said("L7160", 29, &"x\n".repeat(40)).contains("lines of"));
        assert!(
            said("L7160", 29, "ok\nab中")
                .starts_with("the font of the sheet has no sign for character 3 of line 2 of the label's text")
        );
        assert!(said("L7160", 29, "a\tb").contains("character 2 of line 1"));
        assert!(arranged("columns=1,rows=1,width=1,height=1", 21, "x").is_err());
    }

    #[test]
    fn a_drawing_fits_into_the_room_that_was_made_for_it() {
        let font = Font::new().unwrap();
        for text in ["x", &"(\\)\u{446}".repeat(12), ""] {
            let code = encode(&"x".repeat(300), Level::L).unwrap();
            let drawing = draw(&sheet("5163"), &code, text, &font).unwrap();
            assert!(drawing.content.len() < 256 + code.runs().count() * 17 + text.len() * 8 + 64 * 4);
            let text: std::collections::BTreeSet<char> = text.chars().collect();
            assert!(drawing.glyphs.values().copied().eq(text.iter().copied()) || drawing.glyphs.len() == text.len());
        }
    }
}

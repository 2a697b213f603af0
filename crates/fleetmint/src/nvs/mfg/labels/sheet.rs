//! A sheet of labels: its paper, and where the labels are on it.
//!
//! ```text
//!    ◄left►◄ width ►◄column-gap►
//!   ┌──────────────────────────────┐ ▲ top
//!   │      ┌────────┐  ┌────────┐  │ ▼
//!   │      │   1    │  │   2    │  │ ▲ height
//!   │      └────────┘  └────────┘  │ ▼
//!   │      ┌────────┐  ┌────────┐  │   ▲ row-gap is between them
//! ```
//! All lengths are in millimetres.

use std::str::FromStr;

/// An arrangement of labels on a sheet of paper.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sheet {
    pub(crate) paper: Paper,
    pub(crate) columns: usize,
    pub(crate) rows: usize,
    pub(crate) width: f32,
    pub(crate) height: f32,
    left: f32,
    top: f32,
    column_gap: f32,
    row_gap: f32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paper {
    A4,
    Letter,
}

/// A sheet that is sold under a name, with the labels in the middle of the paper.
struct Preset {
    name: &'static str,
    paper: Paper,
    /// Columns and rows.
    grid: (usize, usize),
    /// Width and height of a label.
    label: (f32, f32),
    column_gap: f32,
}

const fn preset(name: &'static str, paper: Paper, grid: (usize, usize), label: (f32, f32), column_gap: f32) -> Preset {
    Preset {
        name,
        paper,
        grid,
        label,
        column_gap,
    }
}

/// Of Avery and Avery Zweckform; other makers have the same sizes under names of their own.
const PRESETS: [Preset; 9] = [
    preset("L7159", Paper::A4, (3, 8), (63.5, 33.9), 2.54),
    preset("L7160", Paper::A4, (3, 7), (63.5, 38.1), 2.54),
    preset("L7161", Paper::A4, (3, 6), (63.5, 46.6), 2.54),
    preset("L7163", Paper::A4, (2, 7), (99.1, 38.1), 2.54),
    preset("L7651", Paper::A4, (5, 13), (38.1, 21.2), 2.54),
    preset("3474", Paper::A4, (3, 8), (70.0, 37.0), 0.0),
    preset("4780", Paper::A4, (4, 10), (48.5, 25.4), 0.0),
    preset("5160", Paper::Letter, (3, 10), (66.675, 25.4), 3.175),
    preset("5163", Paper::Letter, (2, 5), (101.6, 50.8), 4.7625),
];

/// The most columns or rows of a sheet.
const GRID_MAX: usize = 100;

/// The longest side of a label or a gap.
const LENGTH_MAX: f32 = 300.0;

/// The rounding of a maker's numbers, which may say that the labels need a little more than the paper.
const TOLERANCE: f32 = 0.1;

impl Paper {
    /// Width and height.
    pub(crate) fn size(self) -> (f32, f32) {
        match self {
            Self::A4 => (210.0, 297.0),
            Self::Letter => (215.9, 279.4),
        }
    }
}

impl Sheet {
    /// The labels of a sheet.
    pub(crate) fn count(&self) -> usize {
        self.columns * self.rows
    }

    /// The left and the lower edge of a label, from the lower left corner of the paper; the labels are counted from 0, row by
    /// row from the upper left.
    pub(crate) fn place(&self, number: usize) -> (f32, f32) {
        let column = number % self.columns.max(1);
        let row = number / self.columns.max(1);
        let (_, paper_height) = self.paper.size();
        let x = self.left + column as f32 * (self.width + self.column_gap);
        let y = paper_height - self.top - row as f32 * (self.height + self.row_gap) - self.height;
        (x, y)
    }
}

impl FromStr for Sheet {
    type Err = String;

    /// `NAME`, `KEY=VALUE,…`, or `NAME,KEY=VALUE,…` for a sheet that differs from the one of that name.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(',').map(str::trim).peekable();
        let mut settings = match parts.peek() {
            Some(name) if !name.contains('=') => {
                let settings = Settings::of_preset(name)?;
                parts.next();
                settings
            }
            _ => Settings::default(),
        };
        for part in parts {
            let Some((key, value)) = part.split_once('=') else {
                return Err(format!("{part:?} is not KEY=VALUE"));
            };
            settings.set(key.trim(), value.trim())?;
        }
        settings.finish()
    }
}

/// A sheet that is being read.
#[derive(Default)]
struct Settings {
    paper: Option<Paper>,
    columns: Option<usize>,
    rows: Option<usize>,
    width: Option<f32>,
    height: Option<f32>,
    left: Option<f32>,
    top: Option<f32>,
    column_gap: f32,
    row_gap: f32,
}

impl Settings {
    fn of_preset(name: &str) -> Result<Self, String> {
        let known = PRESETS.iter().find(|preset| preset.name.eq_ignore_ascii_case(name));
        let Some(preset) = known else {
            let names: Vec<&str> = PRESETS.iter().map(|preset| preset.name).collect();
            return Err(format!(
                "no sheet named {name:?} is known: {}; KEY=VALUE,… describes any other",
                names.join(", ")
            ));
        };
        Ok(Self {
            paper: Some(preset.paper),
            columns: Some(preset.grid.0),
            rows: Some(preset.grid.1),
            width: Some(preset.label.0),
            height: Some(preset.label.1),
            column_gap: preset.column_gap,
            ..Self::default()
        })
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "paper" => {
                self.paper = Some(match value.to_ascii_lowercase().as_str() {
                    "a4" => Paper::A4,
                    "letter" => Paper::Letter,
                    _ => return Err(format!("paper {value:?} is not known: a4 or letter")),
                });
            }
            "columns" => self.columns = Some(number(key, value)?),
            "rows" => self.rows = Some(number(key, value)?),
            "width" => self.width = Some(length(key, value)?),
            "height" => self.height = Some(length(key, value)?),
            "left" => self.left = Some(length(key, value)?),
            "top" => self.top = Some(length(key, value)?),
            "column-gap" => self.column_gap = length(key, value)?,
            "row-gap" => self.row_gap = length(key, value)?,
            _ => {
                return Err(format!(
                    "{key:?} is not a setting of a sheet: paper, columns, rows, width, height, left, top, column-gap, row-gap"
                ));
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Sheet, String> {
        let missing = |key: &str| format!("{key}= is missing");
        let paper = self.paper.unwrap_or(Paper::A4);
        let columns = self.columns.ok_or_else(|| missing("columns"))?;
        let rows = self.rows.ok_or_else(|| missing("rows"))?;
        let width = self.width.ok_or_else(|| missing("width"))?;
        let height = self.height.ok_or_else(|| missing("height"))?;
        if width <= 0.0 || height <= 0.0 {
            return Err("a label needs a width and a height of more than 0 mm".to_string());
        }
        let (paper_width, paper_height) = paper.size();
        let across = columns as f32 * (width + self.column_gap) - self.column_gap;
        let down = rows as f32 * (height + self.row_gap) - self.row_gap;
        let left = self.left.unwrap_or(((paper_width - across) / 2.0).max(0.0));
        let top = self.top.unwrap_or(((paper_height - down) / 2.0).max(0.0));
        for (what, needed, given) in [
            ("columns", left + across, paper_width),
            ("rows", top + down, paper_height),
        ] {
            if needed > given + TOLERANCE {
                return Err(format!(
                    "the {what} need {needed:.1} mm with their margin, and the paper has {given} mm"
                ));
            }
        }
        Ok(Sheet {
            paper,
            columns,
            rows,
            width,
            height,
            left,
            top,
            column_gap: self.column_gap,
            row_gap: self.row_gap,
        })
    }
}

fn number(key: &str, value: &str) -> Result<usize, String> {
    let number = value.parse().ok().filter(|number| (1..=GRID_MAX).contains(number));
    number.ok_or_else(|| format!("{key} {value:?} is not a number from 1 to {GRID_MAX}"))
}

fn length(key: &str, value: &str) -> Result<f32, String> {
    let length = value.strip_suffix("mm").unwrap_or(value).trim_end().parse().ok();
    let length = length.filter(|length: &f32| (0.0..=LENGTH_MAX).contains(length));
    length.ok_or_else(|| format!("{key} {value:?} is not a length from 0 to {LENGTH_MAX} mm"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(text: &str) -> Sheet {
        text.parse().unwrap()
    }

    fn said(text: &str) -> String {
        text.parse::<Sheet>().unwrap_err()
    }

    #[test]
    fn every_preset_fits_its_paper() {
        for preset in PRESETS {
            let sheet = sheet(preset.name);
            let (paper_width, paper_height) = sheet.paper.size();
            let (x, y) = sheet.place(0);
            let (last_x, last_y) = sheet.place(sheet.count() - 1);
            assert!(
                x >= 0.0 && last_x + sheet.width <= paper_width + 0.01,
                "{}",
                preset.name
            );
            assert!(
                y + sheet.height <= paper_height + 0.01 && last_y >= -0.01,
                "{}",
                preset.name
            );
        }
    }

    /// The makers' margins: of L7160 7.2 and 15.15 mm, of 5160 3/16 and 1/2 inch.
    #[test]
    fn labels_are_where_the_makers_say() {
        let near = |place: (f32, f32), x: f32, y: f32| {
            assert!((place.0 - x).abs() < 0.02 && (place.1 - y).abs() < 0.02, "{place:?}");
        };
        let l7160 = sheet("l7160");
        near(l7160.place(0), 7.21, 297.0 - 15.15 - 38.1);
        near(l7160.place(5), 7.21 + 2.0 * 66.04, 297.0 - 15.15 - 2.0 * 38.1);
        near(l7160.place(20), 7.21 + 2.0 * 66.04, 15.15);
        let letter = sheet("5160");
        near(letter.place(0), 25.4 * 3.0 / 16.0, 279.4 - 12.7 - 25.4);
        near(letter.place(29), 25.4 * (3.0 / 16.0 + 5.5), 12.7);
    }

    #[test]
    fn a_sheet_is_described_by_settings() {
        let own = sheet("paper=letter, columns=2,rows=3, width=50,height=40mm,left=10,top=12.5,column-gap=5,row-gap=1");
        assert_eq!(
            (own.paper, own.columns, own.rows, own.count()),
            (Paper::Letter, 2, 3, 6)
        );
        assert_eq!(own.place(0), (10.0, 279.4 - 12.5 - 40.0));
        assert_eq!(own.place(3), (65.0, 279.4 - 12.5 - 41.0 - 40.0));
        let moved = sheet("L7160,top=14");
        assert_eq!((moved.top, moved.left), (14.0, sheet("L7160").left));
        assert_eq!(sheet("columns=1,rows=1,width=210,height=297").place(0), (0.0, 0.0));
    }

    #[test]
    fn what_no_sheet_can_be_is_refused() {
        assert!(said("L9999").starts_with("no sheet named \"L9999\" is known: L7159, L7160,"));
        for (text, message) in [
            ("", "no sheet named \"\" is known"),
            ("L7160,top", "\"top\" is not KEY=VALUE"),
            ("L7160,top=", "top \"\" is not a length from 0 to 300 mm"),
            ("L7160,top=-1", "top \"-1\" is not a length"),
            ("L7160,top=NaN", "top \"NaN\" is not a length"),
            ("L7160,top=inf", "top \"inf\" is not a length"),
            ("L7160,depth=1", "\"depth\" is not a setting of a sheet"),
            ("L7160,rows=0", "rows \"0\" is not a number from 1 to 100"),
            ("L7160,rows=101", "rows \"101\" is not a number from 1 to 100"),
            ("L7160,paper=a5", "paper \"a5\" is not known: a4 or letter"),
            (
                "L7160,rows=8",
                "the rows need 304.8 mm with their margin, and the paper has 297 mm",
            ),
            ("L7160,left=20", "the columns need 215.6 mm"),
            (
                "columns=1,rows=1,width=0,height=10",
                "a label needs a width and a height",
            ),
            ("columns=1,rows=1,width=10", "height= is missing"),
        ] {
            assert!(said(text).starts_with(message), "{text}: {}", said(text));
        }
    }
}

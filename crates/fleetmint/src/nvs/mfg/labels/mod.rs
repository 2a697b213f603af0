//! Codes and labels of devices, without I/O: what is in the files, not where they go.
//!
//! ```text
//!   table of values ──► template ──► text ──► code ──► qr/PREFIX-ID.svg, .png
//!                                     │         │
//!                                     ▼         ▼
//!                     PREFIX-labels.csv       drawing ──► document      on the sheet's places
//!                            table               ▲
//!                                               font
//! ```
//! A code may hold a secret, such as a device's proof of possession: what holds its text is overwritten, and no error shows it.

mod code;
mod document;
mod drawing;
mod font;
mod sheet;
mod table;
mod template;

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use fleetmint_board::wiped::{Wiped, WipedText};

use self::code::{CodeError, Level};
pub(crate) use self::document::Document;
use self::drawing::{Drawing, DrawingError};
use self::font::Font;
use self::sheet::Sheet;
pub(crate) use self::template::ColumnError;
use self::template::{RenderError, Template};
use crate::exit::Failure;
use crate::files;

/// The folder of the codes, in the output folder.
pub(super) const FOLDER: &str = "qr";

/// The most bytes of a label's text: more than any label has room for.
const LABEL_TEXT_MAX: usize = 1000;

#[derive(Debug, Args)]
#[command(next_help_heading = "Codes and labels")]
pub(crate) struct Options {
    /// Write a QR code with this text for each device, and a table of them, <PREFIX>-labels.csv: {{id}} stands for the
    /// device's id, {{column:NAME}} for its field in a column of VALUES.csv; in a template that is JSON the fields are
    /// escaped
    #[expect(rustdoc::invalid_html_tags, reason = "this is the text of --help")]
    #[arg(long, value_name = "TEMPLATE")]
    qr: Option<String>,

    /// Files for each code, in the folder qr of the output folder
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        value_delimiter = ',',
        default_value = "svg,png",
        requires = "qr"
    )]
    qr_format: Vec<Format>,

    /// Least error correction of the codes; a code has more where it does not become larger
    #[arg(
        long,
        value_name = "LEVEL",
        value_enum,
        ignore_case = true,
        default_value = "m",
        requires = "qr"
    )]
    qr_level: Level,

    /// Write sheets of labels as a PDF, which is to be printed in its actual size: each label has the code and lines of text
    #[arg(long, value_name = "OUT.pdf", requires = "qr", value_parser = files::named(TO_A_FILE))]
    labels: Option<PathBuf>,

    /// The labels of a sheet: L7159, L7160, L7161, L7163, L7651, 3474 or 4780 (A4), 5160 or 5163 (letter); or
    /// KEY=VALUE,… with paper (a4, letter), columns, rows, and in millimetres width, height, left, top, column-gap,
    /// row-gap; both to change a sheet: L7160,top=14
    #[arg(long, value_name = "SHEET", default_value = "L7160", requires = "labels")]
    label_sheet: Sheet,

    /// Place of the first label, to use up a sheet: 1 is the upper left, 2 the one to its right
    #[arg(long, value_name = "PLACE", default_value = "1", requires = "labels")]
    label_start: usize,

    /// A line of the labels' text, as the template of --qr; repeat it for more lines
    #[arg(long, value_name = "TEMPLATE", default_value = "{{id}}", requires = "qr")]
    label_text: Vec<String>,
}

const TO_A_FILE: &str = "- is standard output, and sheets are only written to a file";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Lines, for any size
    Svg,
    /// Pixels: 8 for each module
    Png,
    /// No files: only the table and the sheets
    None,
}

/// What is made for each device.
#[derive(Debug)]
pub(crate) struct Labels {
    code: Template,
    level: Level,
    formats: Vec<Format>,
    text: Vec<Template>,
    sheets: Option<Sheets>,
}

#[derive(Debug)]
struct Sheets {
    path: PathBuf,
    sheet: Sheet,
    first: usize,
    font: Font,
}

/// What a device gets.
#[derive(Debug)]
pub(crate) struct Label {
    /// The names of the files in [`FOLDER`], and what is in them.
    pub(crate) files: Vec<(String, Wiped)>,
    /// The line of the table.
    pub(crate) record: WipedText,
    /// For the sheets, if there are any.
    pub(crate) drawing: Option<Drawing>,
}

/// Why a device gets no label. It holds no value of the device.
#[derive(Debug)]
pub(crate) enum Error {
    CodeText(RenderError),
    Code(CodeError),
    LabelText(RenderError),
    Drawing(DrawingError),
    Png(io::Error),
}

impl Options {
    /// What is to be made; `None` without `--qr`. `column` finds a column of the table of values by its name.
    pub(crate) fn resolve(
        &self,
        column: impl Fn(&str) -> Result<usize, ColumnError>,
    ) -> Result<Option<Labels>, Failure> {
        let Some(code) = &self.qr else {
            return Ok(None);
        };
        if self.qr_format.contains(&Format::None) && self.qr_format.iter().any(|format| *format != Format::None) {
            return Err(Failure::unusable("--qr-format: none stands alone"));
        }
        let wrong = |option: &str, error: template::TemplateError| Failure::unusable(format_args!("{option}: {error}"));
        let code = Template::parse_code(code, &column).map_err(|error| wrong("--qr", error))?;
        let text = self.label_text.iter().map(|line| Template::parse(line, &column));
        let text = text
            .collect::<Result<_, _>>()
            .map_err(|error| wrong("--label-text", error))?;
        let sheets = self.labels.as_ref().map(|path| self.sheets(path)).transpose()?;
        let formats = [Format::Svg, Format::Png];
        Ok(Some(Labels {
            code,
            level: self.qr_level,
            formats: formats
                .into_iter()
                .filter(|format| self.qr_format.contains(format))
                .collect(),
            text,
            sheets,
        }))
    }

    fn sheets(&self, path: &Path) -> Result<Sheets, Failure> {
        let count = self.label_sheet.count();
        let Some(first) = self.label_start.checked_sub(1).filter(|first| *first < count) else {
            return Err(Failure::unusable(format_args!(
                "--label-start {}: a sheet has the places 1 to {count}",
                self.label_start
            )));
        };
        Ok(Sheets {
            path: path.to_path_buf(),
            sheet: self.label_sheet.clone(),
            first,
            font: Font::new().map_err(Failure::no)?,
        })
    }
}

impl Labels {
    /// Whether the device can get its label, without making it.
    pub(crate) fn check<'a>(&self, id: &'a str, field: impl Fn(usize) -> &'a str) -> Result<(), Error> {
        let text = self.code_text(id, &field)?;
        let modules = code::modules(&text, self.level).map_err(Error::Code)?;
        let label = self.label_text(id, &field)?;
        if let Some(Sheets { sheet, font, .. }) = &self.sheets {
            drawing::check(sheet, modules, &label, font).map_err(Error::Drawing)?;
        }
        Ok(())
    }

    /// Makes a device's label: the same bytes each time. `stem` is the name of its image without the extension.
    pub(crate) fn make<'a>(&self, id: &'a str, stem: &str, field: impl Fn(usize) -> &'a str) -> Result<Label, Error> {
        let text = self.code_text(id, &field)?;
        let code = code::encode(&text, self.level).map_err(Error::Code)?;
        let label = self.label_text(id, &field)?;
        let drawing = match &self.sheets {
            Some(Sheets { sheet, font, .. }) => {
                Some(drawing::draw(sheet, &code, &label, font).map_err(Error::Drawing)?)
            }
            None => None,
        };
        let mut files = Vec::new();
        for (name, format) in self.file_names(stem).zip(&self.formats) {
            files.push(match format {
                Format::Svg => (name, code.svg()),
                _ => (name, code.png().map_err(Error::Png)?),
            });
        }
        let record = self.record(id, stem, &text, &label);
        Ok(Label { files, record, drawing })
    }

    fn record(&self, id: &str, stem: &str, text: &str, label: &str) -> WipedText {
        let files: Vec<String> = self.file_names(stem).map(|name| format!("{FOLDER}/{name}")).collect();
        let files = files.iter().map(String::as_str);
        let fields: Vec<&str> = [id, text].into_iter().chain(files).chain([label]).collect();
        table::record(&fields)
    }

    /// The names of the files that [`make`](Self::make) makes.
    pub(crate) fn file_names(&self, stem: &str) -> impl Iterator<Item = String> {
        self.formats.iter().map(move |format| match format {
            Format::Svg => format!("{stem}.svg"),
            _ => format!("{stem}.png"),
        })
    }

    /// The first line of the table.
    pub(crate) fn header(&self) -> WipedText {
        let formats = self.formats.iter().map(|format| match format {
            Format::Svg => "svg",
            _ => "png",
        });
        let fields: Vec<&str> = ["id", "qr"].into_iter().chain(formats).chain(["label"]).collect();
        table::record(&fields)
    }

    /// Where the sheets go, if there are any.
    pub(crate) fn sheets_path(&self) -> Option<&Path> {
        self.sheets.as_ref().map(|sheets| sheets.path.as_path())
    }

    /// Begins the sheets, if there are any. The drawings of the devices are added in their order.
    pub(crate) fn begin_sheets<W: Write>(&self, out: W) -> io::Result<Option<Document<W>>> {
        let sheets = self.sheets.as_ref();
        sheets
            .map(|Sheets { sheet, first, .. }| Document::new(out, sheet, *first))
            .transpose()
    }

    fn code_text<'a>(&self, id: &'a str, field: &impl Fn(usize) -> &'a str) -> Result<WipedText, Error> {
        self.code.render(id, field, code::TEXT_MAX).map_err(Error::CodeText)
    }

    fn label_text<'a>(&self, id: &'a str, field: &impl Fn(usize) -> &'a str) -> Result<WipedText, Error> {
        let mut text = WipedText::default();
        for (number, line) in self.text.iter().enumerate() {
            let room = LABEL_TEXT_MAX.saturating_sub(text.len());
            let line = line.render(id, field, room).map_err(|error| {
                Error::LabelText(match error {
                    RenderError::TooLong(_) => RenderError::TooLong(LABEL_TEXT_MAX),
                    other => other,
                })
            })?;
            // Writing to memory does not fail.
            let _ = fmt::Write::write_str(&mut text, if number == 0 { "" } else { "\n" });
            let _ = fmt::Write::write_str(&mut text, &line);
        }
        Ok(text)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CodeText(error) => write!(f, "--qr: {error}"),
            Self::Code(error) => write!(f, "--qr: {error}"),
            Self::LabelText(error) => write!(f, "--label-text: {error}"),
            Self::Drawing(error) => write!(f, "--labels: {error}"),
            Self::Png(error) => write!(f, "--qr: the PNG cannot be made: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, FromArgMatches, Parser};

    use super::*;

    #[derive(Debug, Parser)]
    struct Call {
        #[command(flatten)]
        options: Options,
    }

    fn labels(arguments: &[&str]) -> Result<Option<Labels>, Failure> {
        let matches = Call::command()
            .try_get_matches_from([&["call"], arguments].concat())
            .unwrap();
        Call::from_arg_matches(&matches)
            .unwrap()
            .options
            .resolve(|name| match name {
                "pop" => Ok(0),
                "mac" => Ok(1),
                "twice" => Err(ColumnError::Ambiguous),
                _ => Err(ColumnError::Unknown),
            })
    }

    fn refused(arguments: &[&str]) -> String {
        let failure = labels(arguments).unwrap_err();
        assert_eq!(failure.exit, 2);
        failure.message
    }

    const RAINMAKER: &str = r#"{"ver":"v1","name":"PROV_{{id}}","pop":"{{column:pop}}","transport":"ble"}"#;
    const FIELDS: [&str; 2] = ["ab\"cd", "24:0a:c4:00:01:10"];

    fn field(number: usize) -> &'static str {
        FIELDS[number]
    }

    #[test]
    fn a_device_gets_its_files_its_record_and_its_place_on_a_sheet() {
        let arguments = [
            "--qr",
            RAINMAKER,
            "--label-text",
            "{{id}}",
            "--label-text",
            "MAC {{column:mac}}",
        ];
        let labels = labels(&[&arguments[..], &["--labels", "out.pdf"]].concat())
            .unwrap()
            .unwrap();
        assert_eq!(labels.sheets_path(), Some(Path::new("out.pdf")));
        labels.check("7", field).unwrap();
        let label = labels.make("7", "lamp-0007-7", field).unwrap();
        let want = r#"{"ver":"v1","name":"PROV_7","pop":"ab\"cd","transport":"ble"}"#;
        let [(svg, svg_file), (png, png_file)] = &label.files[..] else {
            panic!()
        };
        assert_eq!((svg.as_str(), png.as_str()), ("lamp-0007-7.svg", "lamp-0007-7.png"));
        assert!(labels.file_names("lamp-0007-7").eq([svg.clone(), png.clone()]));
        assert_eq!(code::tests::read_svg(svg_file.as_ref()), want);
        assert_eq!(code::tests::read_png(png_file.as_ref()), want);
        assert_eq!(&*labels.header(), "id,qr,svg,png,label\n");
        let mut table = csv::ReaderBuilder::new()
            .has_headers(false)
            .from_reader(label.record.as_bytes());
        let record = table.records().next().unwrap().unwrap();
        assert!(record.iter().eq([
            "7",
            want,
            "qr/lamp-0007-7.svg",
            "qr/lamp-0007-7.png",
            "7\nMAC 24:0a:c4:00:01:10"
        ]));
        let mut document = labels.begin_sheets(Vec::new()).unwrap().unwrap();
        document.add(&label.drawing.unwrap()).unwrap();
        assert!(document.finish().unwrap().starts_with(b"%PDF-1.7\n"));
    }

    #[test]
    fn only_what_was_asked_for_is_made() {
        assert!(labels(&[]).unwrap().is_none());
        for (format, names, header) in [
            ("svg", &["x.svg"][..], "id,qr,svg,label\n"),
            ("png", &["x.png"], "id,qr,png,label\n"),
            ("png,svg", &["x.svg", "x.png"], "id,qr,svg,png,label\n"),
            ("none", &[], "id,qr,label\n"),
        ] {
            let labels = labels(&["--qr", "{{id}}", "--qr-format", format]).unwrap().unwrap();
            let label = labels.make("1", "x", field).unwrap();
            assert!(label.files.iter().map(|(name, _)| name).eq(names), "{format}");
            assert!(labels.file_names("x").eq(names.iter().map(ToString::to_string)));
            assert_eq!(&*labels.header(), header);
            assert!(label.drawing.is_none() && labels.begin_sheets(Vec::new()).unwrap().is_none());
        }
        assert_eq!(
            refused(&["--qr", "x", "--qr-format", "none,png"]),
            "--qr-format: none stands alone"
        );
    }

    #[test]
    fn a_wrong_call_is_refused_with_the_option() {
        assert_eq!(
            refused(&["--qr", "a{{column:twice}}"]),
            "--qr: character 2: the table of values has more than one column \"twice\""
        );
        assert_eq!(
            refused(&["--qr", "a", "--label-text", "{{id}}", "--label-text", "{{"]),
            "--label-text: character 1: \"{{\" without \"}}\" after it"
        );
        for place in ["0", "22"] {
            assert_eq!(
                refused(&["--qr", "a", "--labels", "x.pdf", "--label-start", place]),
                format!("--label-start {place}: a sheet has the places 1 to 21")
            );
        }
        for call in [
            &["--labels", "x.pdf"][..],
            &["--qr-level", "h"],
            &["--label-text", "x"],
            &["--qr-format", "png"],
            &["--qr", "x", "--label-sheet", "5160"],
            &["--qr", "x", "--label-start", "2"],
            &["--qr", "x", "--labels", "-"],
            &["--qr", "x", "--labels", "x.pdf", "--label-sheet", "L1"],
        ] {
            assert!(
                Call::command()
                    .try_get_matches_from([&["call"], call].concat())
                    .is_err(),
                "{call:?}"
            );
        }
    }

    /// Whatever is found in making a label is found in the look before, and said without a value.
    #[test]
    fn the_look_before_finds_what_making_finds() {
        let secret = "SecretValue";
        let long = format!("{secret}{}", "x".repeat(8000));
        let wide = format!("{secret}{}", "x".repeat(900));
        let foreign = format!("{secret}中");
        for (arguments, value, said) in [
            (
                &["--qr", "{{column:pop}}"][..],
                long.as_str(),
                "--qr: the text has more than 7089 bytes",
            ),
            (
                &["--qr", "{{column:pop}}"],
                &long[..2332],
                "--qr: the text of the code has 2332 bytes; a QR code of the level M holds 2331",
            ),
            (&["--qr", "{{column:pop}}"], "", "--qr: the text of the code is empty"),
            (
                &["--qr", "{\"n\":{{column:pop}}}"],
                secret,
                "--qr: \"pop\" stands outside quotes",
            ),
            (
                &["--qr", "x", "--label-text", "{{column:pop}}"],
                &long,
                "--label-text: the text has more than 1000 bytes",
            ),
            (
                &["--qr", "x", "--labels", "x.pdf", "--label-text", "{{column:pop}}"],
                &wide,
                "--labels: the label has no room for its text",
            ),
            (
                &["--qr", "x", "--labels", "x.pdf", "--label-text", "{{column:pop}}"],
                &foreign,
                "--labels: the font of the sheet has no sign for character 12 of line 1",
            ),
            (
                &["--qr", "{{column:pop}}", "--labels", "x.pdf", "--label-sheet", "L7651"],
                &wide,
                "--labels: the code has ",
            ),
        ] {
            let labels = labels(arguments).unwrap().unwrap();
            let field = |_| value;
            let before = labels.check("1", field).unwrap_err().to_string();
            assert_eq!(before, labels.make("1", "x", field).unwrap_err().to_string());
            assert!(before.starts_with(said) && !before.contains("Secret"), "{before}");
        }
    }
}

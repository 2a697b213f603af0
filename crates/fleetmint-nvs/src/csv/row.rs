//! Rows: what each line of a table asks for.

use super::ROWS_MAX;
use super::error::{Error, ErrorKind};
use super::header::Header;
use super::records::{LineEnds, Record, Records};
use crate::layout::BLOB_MAX;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use zeroize::Zeroize;

/// One row of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The line in which it begins, from 1.
    pub line: usize,
    /// The key or the namespace's name, not checked yet; empty for `delete-all`.
    pub key: String,
    /// What the row asks for.
    pub action: Action,
}

/// What a row asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// `namespace`: the following rows belong to the namespace of this name.
    Namespace,
    /// `data` or `file`: set the key. [`Row::value`] gives the value.
    Set {
        /// How the text or the file becomes a value.
        encoding: Encoding,
        /// The text or the file.
        source: Source,
    },
    /// `option` with the encoding `no-computed-rows`: of the rows that follow in this table, none brings others along.
    NoComputedRows,
    /// `delete`: erase the key. In change lists only.
    Delete,
    /// `delete-all`: erase every key of the namespace. In change lists only.
    DeleteAll,
}

/// Where a row's value comes from. The text may be a secret: `Debug` doesn't show it, and it is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    /// `data`: the text in the row.
    Text(String),
    /// `file`: the file at this path.
    File(String),
}

/// Wipes the text.
impl Drop for Source {
    fn drop(&mut self) {
        if let Self::Text(text) = self {
            text.zeroize();
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// How the text in a row, or a file's content, becomes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the first ten are the types' own names")]
pub enum Encoding {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    Float,
    Double,
    /// Text, stored as a string.
    String,
    /// Bytes as they are, stored as a blob.
    Binary,
    /// Hexadecimal digits, stored as a blob.
    Hex2bin,
    /// Base64, stored as a blob.
    Base64,
    /// `blob_fill(size;0xXX)`: bytes as they are, filled up to a size.
    BlobFill {
        /// The blob's size in bytes.
        size: usize,
        /// The byte that fills it up.
        fill: u8,
    },
    /// `blob_sz_fill(size;0xXX)`: how many bytes, as 4 bytes little-endian, then as `blob_fill`.
    BlobSizeFill {
        /// The size in bytes of what follows the 4 bytes.
        size: usize,
        /// The byte that fills it up.
        fill: u8,
    },
}

impl Encoding {
    /// The name in a table, for `blob_fill` and `blob_sz_fill` without what is in parentheses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::U8 => "u8",
            Self::I8 => "i8",
            Self::U16 => "u16",
            Self::I16 => "i16",
            Self::U32 => "u32",
            Self::I32 => "i32",
            Self::U64 => "u64",
            Self::I64 => "i64",
            Self::Float => "float",
            Self::Double => "double",
            Self::String => "string",
            Self::Binary => "binary",
            Self::Hex2bin => "hex2bin",
            Self::Base64 => "base64",
            Self::BlobFill { .. } => "blob_fill",
            Self::BlobSizeFill { .. } => "blob_sz_fill",
        }
    }

    /// The names that stand for themselves.
    pub(super) const NAMES: [&'static str; 14] = [
        "u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64", "float", "double", "string", "binary", "hex2bin",
        "base64",
    ];

    fn parse(name: &str, key: &str) -> Result<Self, ErrorKind> {
        // Capitals are as good where Espressif's generator takes them for the same; `String` it would store without NUL.
        let found = match name {
            "string" => Some(Self::String),
            "hex2bin" => Some(Self::Hex2bin),
            "base64" => Some(Self::Base64),
            _ => match name.to_ascii_lowercase().as_str() {
                "u8" => Some(Self::U8),
                "i8" => Some(Self::I8),
                "u16" => Some(Self::U16),
                "i16" => Some(Self::I16),
                "u32" => Some(Self::U32),
                "i32" => Some(Self::I32),
                "u64" => Some(Self::U64),
                "i64" => Some(Self::I64),
                "float" => Some(Self::Float),
                "double" => Some(Self::Double),
                "binary" => Some(Self::Binary),
                _ => None,
            },
        };
        if let Some(encoding) = found {
            return Ok(encoding);
        }
        let sized = name.starts_with("blob_sz_fill");
        let (digits, fill) = name
            .strip_prefix("blob_fill(")
            .or_else(|| name.strip_prefix("blob_sz_fill("))
            .and_then(|rest| rest.strip_suffix(')'))
            .and_then(|rest| rest.split_once(";0x"))
            .filter(|(digits, fill)| {
                !digits.is_empty()
                    && digits.bytes().all(|byte| byte.is_ascii_digit())
                    && fill.len() == 2
                    && fill.bytes().all(|byte| byte.is_ascii_hexdigit())
            })
            .ok_or_else(|| ErrorKind::UnknownEncoding {
                key: excerpt(key),
                found: excerpt(name),
            })?;
        let prefix = if sized { 4 } else { 0 };
        let size = digits
            .parse::<usize>()
            .ok()
            .filter(|size| *size <= BLOB_MAX - prefix)
            .ok_or_else(|| ErrorKind::FillTooLarge { key: excerpt(key) })?;
        let fill = u8::from_str_radix(fill, 16).unwrap_or_default();
        Ok(if sized {
            Self::BlobSizeFill { size, fill }
        } else {
            Self::BlobFill { size, fill }
        })
    }
}

/// Reads a table: the rows in order, each with its line. Values are not decoded yet and files not read; see [`Row::value`].
///
/// ```
/// use fleetmint_nvs::csv::{self, Action};
/// let rows = csv::read(b"key,type,encoding,value\nprov,namespace,,\nclient_secret,delete,,\n")?;
/// assert_eq!((rows[1].line, rows[1].key.as_str(), &rows[1].action), (3, "client_secret", &Action::Delete));
/// # Ok::<(), csv::Error>(())
/// ```
///
/// # Errors
/// Text that isn't UTF-8, an unclosed quote, a header without the four columns, no rows at all, rows with too many or too
/// few fields, types and encodings that aren't known, more than [`ROW_MAX`](super::ROW_MAX) bytes in a row or
/// [`ROWS_MAX`] rows.
pub fn read(text: &[u8]) -> Result<Vec<Row>, Error> {
    rows(text, LineEnds::AsLf)
}

/// Reads a change list: as [`read`] reads a table, but line ends inside quotes are part of the value as they stand.
///
/// ```
/// use fleetmint_nvs::csv::{self, Value};
/// let rows = csv::read_changes(b"key,type,encoding,value\nnote,data,string,\"a\r\nb\"\n")?;
/// assert_eq!(rows[0].value(|_| Err::<Vec<u8>, _>("no files"))?, Some(Value::Str("a\r\nb".into())));
/// # Ok::<(), csv::Error>(())
/// ```
///
/// # Errors
/// As [`read`].
pub fn read_changes(text: &[u8]) -> Result<Vec<Row>, Error> {
    rows(text, LineEnds::AsTheyAre)
}

fn rows(text: &[u8], line_ends: LineEnds) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    for row in Rows::new(text, line_ends)? {
        let row = row?;
        if rows.len() == ROWS_MAX {
            return Err(ErrorKind::TooManyRows { limit: ROWS_MAX }.at(row.line));
        }
        rows.push(row);
    }
    Ok(rows)
}

/// The rows of a table, one at a time.
pub(super) struct Rows<'a> {
    records: Records<'a>,
    header: Header,
    /// Whether a row came that asks for something.
    any: bool,
    /// The key of the row before, and its line, if its value begins a PEM block that it doesn't end.
    open_pem: Option<(String, usize)>,
    ended: bool,
}

impl<'a> Rows<'a> {
    /// Reads the header.
    pub(super) fn new(text: &'a [u8], line_ends: LineEnds) -> Result<Self, Error> {
        let mut records = Records::new(text, line_ends)?;
        let Some(header) = records.next() else {
            return Err(ErrorKind::Empty.at(1));
        };
        Ok(Self {
            records,
            header: Header::new(&header?)?,
            any: false,
            open_pem: None,
            ended: false,
        })
    }

    fn row(&mut self, record: Record) -> Result<Row, Error> {
        let open_pem = self.open_pem.take();
        if let (Some((key, line)), 1) = (open_pem, record.fields.len()) {
            return Err(ErrorKind::UnquotedPem { key }.at(line));
        }
        let row = self.header.row(record)?;
        if let Action::Set {
            source: Source::Text(text),
            ..
        } = &row.action
            && text.contains("-----BEGIN ")
            && !text.contains("-----END ")
        {
            self.open_pem = Some((excerpt(&row.key), row.line));
        }
        Ok(row)
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<Row, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let record = match self.records.next() {
                Some(Ok(record)) => record,
                Some(Err(error)) => return Some(Err(error)),
                None if self.any || self.ended => return None,
                None => {
                    self.ended = true;
                    return Some(Err(ErrorKind::Empty.at(1)));
                }
            };
            // Spreadsheets leave such rows below the data.
            if record.fields.iter().all(|field| field.trim().is_empty()) {
                continue;
            }
            let row = self.row(record);
            self.any |= !matches!(&row, Ok(row) if row.action == Action::NoComputedRows);
            return Some(row);
        }
    }
}

pub(super) fn action(
    key: &str,
    row_type: &str,
    encoding: Option<String>,
    value: Option<String>,
) -> Result<Action, ErrorKind> {
    let nothing = |row_type, with_key: bool| {
        let fields = [
            ("key", if with_key { "" } else { key }),
            ("encoding", encoding.as_deref().unwrap_or_default()),
            ("value", value.as_deref().unwrap_or_default()),
        ];
        match fields.into_iter().find(|(_, field)| !field.is_empty()) {
            Some((column, _)) => Err(ErrorKind::NeedlessField { column, row_type }),
            None => Ok(()),
        }
    };
    match row_type {
        // Espressif's generator doesn't look at the rest of the row.
        "namespace" => Ok(Action::Namespace),
        "option" => match encoding.as_deref() {
            Some(NO_COMPUTED_ROWS) => {
                let fields = [("key", key), ("value", value.as_deref().unwrap_or_default())];
                match fields.into_iter().find(|(_, field)| !field.is_empty()) {
                    Some((column, _)) => Err(ErrorKind::NeedlessField {
                        column,
                        row_type: "option",
                    }),
                    None => Ok(Action::NoComputedRows),
                }
            }
            found => Err(ErrorKind::UnknownOption {
                found: excerpt(found.unwrap_or_default()),
            }),
        },
        "delete" => nothing("delete", true).map(|()| Action::Delete),
        "delete-all" => nothing("delete-all", false).map(|()| Action::DeleteAll),
        "data" | "file" => {
            let encoding = encoding.ok_or(ErrorKind::MissingField { column: "encoding" })?;
            let encoding = Encoding::parse(&encoding, key)?;
            let fills = matches!(encoding, Encoding::BlobFill { .. } | Encoding::BlobSizeFill { .. });
            let value = match value {
                None if fills && row_type == "data" => String::new(),
                value => value.ok_or(ErrorKind::MissingField { column: "value" })?,
            };
            let source = if row_type == "data" {
                Source::Text(value)
            } else {
                Source::File(value)
            };
            Ok(Action::Set { encoding, source })
        }
        _ => Err(ErrorKind::UnknownType {
            key: excerpt(key),
            found: excerpt(row_type),
        }),
    }
}

/// The option of a table that has all Wi-Fi rows itself; see [`Action::NoComputedRows`].
///
/// It stands in the column `encoding`, where Espressif's generator knows it as none and refuses the table: its image would
/// hold those rows twice.
pub(super) const NO_COMPUTED_ROWS: &str = "no-computed-rows";

/// The beginning of a field that is quoted in a message.
pub(super) fn excerpt(field: &str) -> String {
    const MOST: usize = 24;
    let mut text: String = field.chars().take(MOST).collect();
    if text.len() < field.len() {
        text.push('…');
    }
    text
}

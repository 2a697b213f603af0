//! Rows: what each line of a table asks for.

use super::error::{Error, ErrorKind};
use super::records::{LineEnds, Record, Records};
use crate::layout::BLOB_MAX;
use alloc::string::{String, ToString};
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
                key: key.to_string(),
                found: excerpt(name),
            })?;
        let prefix = if sized { 4 } else { 0 };
        let size = digits
            .parse::<usize>()
            .ok()
            .filter(|size| *size <= BLOB_MAX - prefix)
            .ok_or_else(|| ErrorKind::FillTooLarge { key: key.to_string() })?;
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
/// Text that isn't UTF-8, an unclosed quote, a header without the four columns, rows with too many or too few fields,
/// types and encodings that aren't known.
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
    let mut records = Records::new(text, line_ends)?;
    let Some(header) = records.next() else {
        return Ok(Vec::new());
    };
    let header = Header::new(&header?)?;
    records.map(|record| header.row(record?)).collect()
}

/// Which field of a row is what.
struct Header {
    columns: usize,
    key: usize,
    row_type: usize,
    encoding: usize,
    value: usize,
}

impl Header {
    fn new(record: &Record) -> Result<Self, Error> {
        let find = |column: &'static str| {
            let mut places = record.fields.iter().enumerate().filter(|(_, name)| *name == column);
            match (places.next(), places.next()) {
                (Some((place, _)), None) => Ok(place),
                (None, _) => Err(ErrorKind::MissingColumn { column }.at(record.line)),
                (Some(_), Some(_)) => Err(ErrorKind::RepeatedColumn { column }.at(record.line)),
            }
        };
        Ok(Self {
            columns: record.fields.len(),
            key: find("key")?,
            row_type: find("type")?,
            encoding: find("encoding")?,
            value: find("value")?,
        })
    }

    fn row(&self, record: Record) -> Result<Row, Error> {
        let Record { line, mut fields } = record;
        let count = fields.len();
        if fields.iter().skip(self.columns).any(|field| !field.is_empty()) {
            return Err(ErrorKind::TooManyFields {
                fields: count,
                columns: self.columns,
            }
            .at(line));
        }
        let mut take = |place: usize| fields.get_mut(place).map(core::mem::take);
        let key = take(self.key).ok_or_else(|| ErrorKind::MissingField { column: "key" }.at(line))?;
        let row_type = take(self.row_type).ok_or_else(|| ErrorKind::MissingField { column: "type" }.at(line))?;
        let (encoding, value) = (take(self.encoding), take(self.value));
        let action = action(&key, &row_type, encoding, value).map_err(|kind| kind.at(line))?;
        Ok(Row { line, key, action })
    }
}

fn action(key: &str, row_type: &str, encoding: Option<String>, value: Option<String>) -> Result<Action, ErrorKind> {
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
            key: key.to_string(),
            found: excerpt(row_type),
        }),
    }
}

/// The beginning of a field that is quoted in a message.
fn excerpt(field: &str) -> String {
    const MOST: usize = 24;
    let mut text: String = field.chars().take(MOST).collect();
    if text.len() < field.len() {
        text.push('…');
    }
    text
}

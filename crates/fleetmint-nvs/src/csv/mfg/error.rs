//! What can be wrong with the tables of mass manufacturing. The type is apart from that of the other tables, so that a program
//! that reads only those doesn't carry its messages. No message shows a value, which may be a secret.

use crate::csv;
use alloc::string::String;
use core::fmt;

/// What is wrong with a table, and in which line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The line, from 1, in which the row begins.
    pub line: usize,
    /// What is wrong.
    pub kind: ErrorKind,
}

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// What can be wrong with any table, or with a value.
    Table(csv::ErrorKind),
    /// A row of a configuration has more than four fields.
    ConfigurationFields {
        /// Fields in the row.
        fields: usize,
    },
    /// A configuration begins with a header, or is another kind of table.
    NotAConfiguration,
    /// The type of a configuration's row is unknown. It isn't shown: the table may be one with values.
    ConfigurationType {
        /// The key.
        key: String,
    },
    /// The fourth field of a configuration's row is neither `REPEAT` nor blank. It isn't shown: the table may be one with values.
    NotRepeat {
        /// The key.
        key: String,
    },
    /// A configuration has no key.
    NoKeys,
    /// The header of the values has no column, or too few, for a key of the configuration.
    MissingKeyColumn {
        /// The key.
        name: String,
        /// The columns of this name, which belong to earlier rows of the configuration.
        columns: usize,
        /// A column whose name differs only by blanks or case.
        nearly: Option<String>,
    },
    /// The header of the values has a name more often than the configuration.
    SurplusColumns {
        /// The name.
        name: String,
        /// The columns of this name.
        columns: usize,
        /// The configuration's keys of this name.
        keys: usize,
    },
    /// The values have a header, and no device.
    NoDevices,
    /// A device's row has fewer fields than the header.
    TooFewFields {
        /// Fields in the row.
        fields: usize,
        /// Columns in the header.
        columns: usize,
    },
    /// A device's row has only blank fields, and a key must not be blank.
    BlankRow {
        /// The key.
        key: String,
    },
    /// A device has another value than the first one for a key that is repeated.
    RepeatChanged {
        /// The key.
        key: String,
        /// The line of the first device.
        first: usize,
    },
    /// There are more errors than are returned; the first of them is in this line.
    MoreErrors {
        /// How many more.
        count: usize,
    },
}

impl ErrorKind {
    pub(super) fn at(self, line: usize) -> Error {
        Error { line, kind: self }
    }
}

impl From<csv::ErrorKind> for ErrorKind {
    fn from(kind: csv::ErrorKind) -> Self {
        Self::Table(kind)
    }
}

impl From<crate::Error> for ErrorKind {
    fn from(error: crate::Error) -> Self {
        Self::Table(csv::ErrorKind::Image(error))
    }
}

impl From<csv::Error> for Error {
    fn from(csv::Error { line, kind }: csv::Error) -> Self {
        ErrorKind::Table(kind).at(line)
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        self.kind.source()
    }
}

impl core::error::Error for ErrorKind {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Table(kind) => kind.source(),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.kind)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table(kind) => kind.fmt(f),
            Self::ConfigurationFields { fields } => write!(
                f,
                "the row has {fields} fields; a row of a configuration has at most 4: key, type, encoding and REPEAT"
            ),
            Self::NotAConfiguration => f.write_str(
                "this is not the first row of a configuration, which has no header and begins with NAME,namespace,; its other \
                 rows are key, type, encoding and, where the first device's value goes to all, REPEAT",
            ),
            Self::ConfigurationType { key } => write!(
                f,
                "key {key:?}: the type, the second field, is none of namespace, data, file and option"
            ),
            Self::NotRepeat { key } => write!(
                f,
                "key {key:?}: the fourth field is neither REPEAT, in capitals and without blanks around it, nor blank"
            ),
            Self::NoKeys => f.write_str("the configuration has no keys"),
            Self::MissingKeyColumn { name, columns, nearly } => {
                match columns {
                    0 => write!(f, "key {name:?}: the header has no column of this name")?,
                    _ => write!(
                        f,
                        "key {name:?}: the configuration has it more often than the {columns} columns of this name in the header"
                    )?,
                }
                match nearly {
                    Some(found) => write!(f, "; it has the column {found:?}: write {name:?}"),
                    None => Ok(()),
                }
            }
            Self::SurplusColumns { name, columns, keys } => write!(
                f,
                "key {name:?}: the header has {columns} columns of this name, and the configuration has it {keys} times: it is \
                 not clear which one is meant"
            ),
            Self::NoDevices => f.write_str("the table has a header and no devices"),
            Self::TooFewFields { fields, columns } => write!(
                f,
                "the row has {fields} fields, the header {columns} columns; a blank value needs its comma, a value with several \
                 lines needs quotes"
            ),
            Self::BlankRow { key } => write!(
                f,
                "the row has only blank fields, and key {key:?} needs a value; delete the row"
            ),
            Self::RepeatChanged { key, first } => write!(
                f,
                "key {key:?}: the configuration says REPEAT, and the value is not that of the first device (line {first}); leave \
                 it blank"
            ),
            Self::MoreErrors { count: 1 } => f.write_str("1 more error, in this line, is not listed"),
            Self::MoreErrors { count } => write!(f, "{count} more errors, from this line on, are not listed"),
        }
    }
}

//! The CSV tables of Espressif's generator, `nvs_partition_gen.py`, and the change lists of `fleetmint nvs patch`.
//!
//! ```text
//! key,type,encoding,value          the header; the order is free, and other columns are ignored
//! # a comment
//! prov,namespace,,                 the rows that follow belong to this namespace
//! device_key,data,string,k1234567
//! ca,file,binary,certs/ca.der      the file's bytes, under the row's encoding
//! client_secret,delete,,           only in change lists: erase a key
//! ,delete-all,,                    only in change lists: erase the namespace
//! ,option,no-computed-rows,        compute no Wi-Fi rows for the rows below (not in Espressif's generator)
//! ```
//!
//! | encoding | value | becomes |
//! |---|---|---|
//! | `u8` `i8` `u16` `i16` `u32` `i32` `u64` `i64` | decimal, `1_000` too, or `0x…` | a number |
//! | `float` `double` | `1.5`, `1e-3`, `inf` (not in Espressif's generator) | a number |
//! | `string` | text | a string |
//! | `binary` | text, as UTF-8 | a blob |
//! | `hex2bin` | hexadecimal digits | a blob |
//! | `base64` | standard base64 with padding | a blob |
//! | `blob_fill(n;0xXX)` | text, or nothing | a blob of n bytes: the text, then XX to the end |
//! | `blob_sz_fill(n;0xXX)` | text, or nothing | the text's size in 4 bytes, then as `blob_fill` |
//!
//! Quoting follows Python's `csv` module. Where Espressif's generator silently makes a bad image, this crate either makes
//! the right one (a line that begins with `#` inside quotes is text, a byte-order mark is skipped, names are measured in
//! bytes, text under `binary` may have any characters), or returns an [`Error`] that says what is wrong in which line.
//!
//! For a few Wi-Fi keys, Espressif's generator writes other keys that are not in the table: for `sta.ssid` also `sta.pmk`,
//! for example. So does [`Generator`]. A table that already has them, such as one that [`Writer`] made from an image, says
//! so with the row `,option,no-computed-rows,`. Espressif's generator refuses that row.
//!
//! What spreadsheets do to a table is accepted where the meaning is clear (header names with blanks or in capitals, rows of
//! only commas, Excel's line `sep=,`). Where it isn't, the error names it ([`FileFormat`]: UTF-16, semicolons).
//! A row has at most [`ROW_MAX`] bytes.
//!
//! [`Generator`] makes an image from tables, [`read`] returns the rows for other uses, and [`Writer`] writes a table. The
//! crate reads no files: the caller passes a function from path to bytes.
//!
//! ```
//! use fleetmint_nvs::csv::Generator;
//! use fleetmint_nvs::layout::Version;
//!
//! let table = b"key,type,encoding,value\nprov,namespace,,\ndevice_key,data,string,k1234567\nca,file,binary,ca.der\n";
//! let mut image = vec![0; 0x3000];
//! let mut generator = Generator::new(&mut image, Version::V2)?;
//! generator.add(table, |path| match path {
//!     "ca.der" => Ok(vec![0x30, 0x82]),
//!     _ => Err("no such file"),
//! })?;
//! let used = generator.finish();
//! # assert_eq!(used, 0x1000);
//!
//! let error = Generator::new(&mut image, Version::V2)?
//!     .add(b"key,type,encoding,value\nprov,namespace,,\nretries,data,u8,256\n", |_| Err::<Vec<u8>, _>("no files here"))
//!     .unwrap_err();
//! assert_eq!(error.to_string(), "line 3: key \"retries\": the value is out of range for u8, which goes from 0 to 255");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod encoding;
mod error;
mod file_format;
mod generator;
mod header;
pub mod mfg;
mod names;
mod number;
mod records;
mod row;
mod table;
mod value;
mod wifi;
mod writer;

pub use encoding::Encoding;
pub use error::{Error, ErrorKind, NumberLooks, RowPlace, SurplusComma};
pub use file_format::FileFormat;
pub use generator::Generator;
pub use row::{Action, Row, Source};
pub use table::{read, read_changes};
pub use value::Value;
pub use writer::Writer;

/// The most bytes that a row can have, including line ends inside quotes: 2 MiB, twice the size of the largest blob in
/// hexadecimal.
pub const ROW_MAX: usize = 2 << 20;

/// The most fields that a row can have: Excel's columns.
pub const COLUMNS_MAX: usize = 16_384;

/// The most rows that [`read`] and [`read_changes`] return: twice the entries of the largest partition.
pub const ROWS_MAX: usize = 1 << 20;

/// The option of a table that has all its Wi-Fi rows itself; see [`Action::NoComputedRows`].
///
/// It is in the column `encoding`, where Espressif's generator doesn't know it and refuses the table: its image would hold
/// those rows twice.
const NO_COMPUTED_ROWS: &str = "no-computed-rows";

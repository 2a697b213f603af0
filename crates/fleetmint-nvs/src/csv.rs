//! The table that Espressif's generator reads: `nvs_partition_gen.py`'s CSV, and the change lists of `nvs patch`.
//!
//! ```text
//! key,type,encoding,value          the header; more columns may stand there, in any order
//! # a comment
//! prov,namespace,,                 the rows that follow belong to this namespace
//! device_key,data,string,k1234567
//! ca,file,binary,certs/ca.der      the file's bytes, under the row's encoding
//! client_secret,delete,,           in change lists only: erase a key
//! ,delete-all,,                    in change lists only: erase the namespace
//! ,option,no-computed-rows,        of the rows below, none brings others along (not in Espressif's generator)
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
//! | `blob_fill(n;0xXX)` | text, or nothing | a blob of n bytes: the text, then the byte XX |
//! | `blob_sz_fill(n;0xXX)` | text, or nothing | the text's size in 4 bytes, then as `blob_fill` |
//!
//! Quoting is that of Python's `csv` module. Where Espressif's generator goes wrong in silence, [`Error`] says what is
//! wrong and in which line, or the right image results: a line that begins with `#` inside quotes is text, a byte-order
//! mark is skipped, names are counted in bytes, text under `binary` may have any characters.
//!
//! A few keys of Wi-Fi bring others along that are not in the table, as with Espressif's generator (`sta.ssid` writes
//! `sta.pmk` too, say). A table that has them itself, as one that [`Writer`] made of an image, says so by the row
//! `,option,no-computed-rows,`; Espressif's generator refuses that row.
//!
//! What spreadsheets make of a table is read where nothing else can be meant (header names with blanks or in capitals, rows
//! of nothing but commas, Excel's line `sep=,`), and named in an error where it isn't ([`FileFormat`]: UTF-16, semicolons).
//! A row has at most [`ROW_MAX`] bytes.
//!
//! [`Generator`] makes an image of such tables, [`read`] gives the rows to whoever does something else with them, and
//! [`Writer`] writes a table. Reading files is the caller's part: it hands in a function from path to bytes.
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

mod error;
mod file_format;
mod generator;
mod header;
mod records;
mod row;
mod value;
mod wifi;
mod writer;

pub use error::{Error, ErrorKind, NumberLooks, Place, SurplusComma};
pub use file_format::FileFormat;
pub use generator::Generator;
pub use row::{Action, Encoding, Row, Source, read, read_changes};
pub use value::Value;
pub use writer::Writer;

/// The most bytes that a row can have, line ends inside quotes included: 2 MiB, twice what the largest blob takes in
/// hexadecimal.
pub const ROW_MAX: usize = 2 << 20;

/// The most fields that a row can have: Excel's columns.
pub const COLUMNS_MAX: usize = 16_384;

/// The most rows that [`read`] and [`read_changes`] give: twice the entries of the largest partition.
pub const ROWS_MAX: usize = 1 << 20;

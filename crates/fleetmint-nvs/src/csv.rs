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
mod generator;
mod records;
mod row;
mod value;
mod wifi;
mod writer;

pub use error::{Error, ErrorKind, Place};
pub use generator::Generator;
pub use row::{Action, Encoding, Row, Source, read, read_changes};
pub use value::Value;
pub use writer::Writer;

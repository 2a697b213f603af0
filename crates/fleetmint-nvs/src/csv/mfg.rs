//! Mass manufacturing: the two tables of Espressif's `mfg_gen.py`, which make one image for each device.
//!
//! ```text
//! the configuration: what each device has          the values: a header, then one device in each row
//! no header                                        the columns in any order; others are ignored
//!
//! prov,namespace,                                  serial,device_key,ca,interval
//! device_key,data,string                           A001,k1234567,ca.der,30
//! interval,data,u16                                A002,k7654321,,60
//! ca,file,binary,REPEAT
//! ```
//!
//! - A row of the configuration has the fields key, type, encoding, and `REPEAT` or nothing. Types and encodings are those of
//!   the generator's tables (see [`csv`](super)); the order of the rows is the order in the image.
//! - A column belongs to the key of exactly this name. A name that the configuration has in two namespaces is two columns: the
//!   first column belongs to the first row. More columns of the name than keys are an error.
//! - `REPEAT`: the value of the first device goes to every device. The others leave the field blank, or repeat the same text.
//! - A blank field is an empty string or an empty blob. The field of a number or a file must not be blank.
//! - A row has as many fields as the header. More are allowed if they are blank.
//! - Quoting, comments, blank lines, line ends and a byte-order mark are as in the generator's tables.
//!
//! Where `mfg_gen.py` silently makes bad images, this module makes the right ones or returns errors. It returns all errors of a
//! table, up to [`ERRORS_MAX`] and then their number, each with its line. [`Configuration::read`] reads the first table,
//! [`Values::read`] the second; [`Images`] writes the images.
//!
//! # Limits
//! A row has at most [`ROW_MAX`](super::ROW_MAX) bytes, as in the other tables: room for the largest partition that factories use,
//! in hexadecimal. More than that comes from `file` rows. A row of values has at most [`COLUMNS_MAX`](super::COLUMNS_MAX) fields, so
//! a configuration with more keys can't be matched. Both limits are found while a row is read, so that a table with a
//! million columns, or a quote that is never closed, costs no more memory than the longest row. The number of devices has no
//! limit: one is in memory at a time.
//!
//! ```
//! use fleetmint_nvs::csv::mfg::{Configuration, Values};
//! use fleetmint_nvs::layout::Version;
//!
//! let configuration = Configuration::read(b"prov,namespace,\ndevice_key,data,string\ninterval,data,u16\n").unwrap();
//! let values = Values::read(b"serial,interval,device_key\nA001,30,k1234567\nA002,x,k7654321\n", &configuration).unwrap();
//! let serial = values.column("serial").unwrap();
//! let no_files = |_: &str| Err::<Vec<u8>, _>("no files here");
//!
//! let devices: Vec<_> = values.devices().map(Result::unwrap).collect();
//! assert_eq!((devices[0].line(), devices[0].field(serial)), (2, "A001"));
//! let mut images = values.images(Version::V2);
//! let mut image = vec![0; 0x3000];
//! let used = images.write(&devices[0], &mut image, no_files).unwrap();
//! # assert_eq!(used, 0x1000);
//!
//! let errors = images.write(&devices[1], &mut image, no_files).unwrap_err();
//! assert_eq!(errors[0].to_string(), "line 3: key \"interval\": the value is not a number, which u16 requires");
//! ```

mod configuration;
mod devices;
mod error;
mod errors;
mod images;
mod values;

pub use configuration::Configuration;
pub use devices::{Device, Devices};
pub use error::{Error, ErrorKind};
pub use images::Images;
pub use values::Values;

/// The most errors that are returned for one table. [`ErrorKind::MoreErrors`] then says how many
/// more there are.
pub const ERRORS_MAX: usize = 1000;

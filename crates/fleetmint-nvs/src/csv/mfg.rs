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
//!   first column belongs to the first row.
//! - `REPEAT`: the value of the first device goes to every device. The others leave the field blank, or repeat the same text.
//! - A blank field is an empty string or an empty blob. A number must not be blank.
//! - A row has as many fields as the header. More are allowed if they are blank.
//!
//! Where `mfg_gen.py` silently makes bad images, this module makes the right ones or returns errors. It returns all errors of a
//! table, up to [`ERRORS_MAX`], each with its line. [`Configuration::read`] reads the first table, [`Values::read`] the second.
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
//! let mut image = vec![0; 0x3000];
//! let used = values.write(&devices[0], &mut image, Version::V2, no_files).unwrap();
//! # assert_eq!(used, 0x1000);
//!
//! let errors = values.write(&devices[1], &mut image, Version::V2, no_files).unwrap_err();
//! assert_eq!(errors[0].to_string(), "line 3: key \"interval\": the value is not a number, which u16 requires");
//! ```

mod configuration;
mod values;

use super::error::Error;
use alloc::vec::Vec;

pub use configuration::Configuration;
pub use values::{Device, Devices, Values};

/// The most errors that are returned for one table.
pub const ERRORS_MAX: usize = 1000;

/// Adds an error, unless there are enough.
fn add(errors: &mut Vec<Error>, error: Error) {
    if errors.len() < ERRORS_MAX {
        errors.push(error);
    }
}

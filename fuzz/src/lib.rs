//! The code that the fuzz targets share: mutations that know the structure of an NVS image, and correct CRCs
//! afterwards, so that the fuzzer gets past them.

pub mod flash;
pub mod history;
pub mod image;
pub mod mutate;
pub mod random;
pub mod seal;
pub mod steps;

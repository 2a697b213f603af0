//! A partition: its values, opened as the firmware opens it.

use fleetmint_board::answers::ProblemReport;
use fleetmint_board::flash_dump::check_nvs;
use fleetmint_board::report::{Around, ListingReport};
use fleetmint_nvs::crypt::Xts;
use fleetmint_nvs::layout::PAGE_SIZE;
use fleetmint_nvs::storage::{Listed, Metered, Mode, SliceFlash, Storage};
use js_sys::Array;
use md5::{Digest, Md5};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::answer::{Answer, Problem, json};
use crate::input;

/// The values of a partition, without the values themselves.
#[wasm_bindgen]
pub fn entries(mut image: Vec<u8>, keys: &Array, readonly: bool, force: bool) -> Result<String, JsValue> {
    let (around, listed) = open(&mut image, keys, readonly, force)?;
    Ok(json(&ListingReport::new(&around, &listed)))
}

/// The MD5 of bytes, in hexadecimal.
#[wasm_bindgen]
pub fn md5(content: &[u8]) -> String {
    hex::encode(Md5::digest(content))
}

pub(crate) const fn mode(readonly: bool) -> Mode {
    match readonly {
        true => Mode::ReadOnly,
        false => Mode::ReadWrite,
    }
}

/// Opens a partition as the firmware does, and lists it. Repairs are made in `image`.
pub(crate) fn open(image: &mut [u8], keys: &Array, readonly: bool, force: bool) -> Answer<(Around, Vec<Listed>)> {
    let cipher = input::cipher(keys, image)?;
    let (pages, encrypted) = (image.len() / PAGE_SIZE, cipher.is_some());
    opened(image, cipher, readonly, force, |mut storage| {
        let around = Around::new(&storage, pages, encrypted);
        let mut listed = Vec::new();
        // As `patch` in fleetmint-board visits, so that the module has the code once.
        let with: &mut dyn FnMut(Listed<&[u8]>) = &mut |one| listed.push(one.into_owned());
        storage.visit(with)?;
        Ok((around, listed))
    })
}

/// The one kind of flash that all calls open, so that the module has the code for one.
pub(crate) type InMemory<'a> = Metered<SliceFlash<'a>, &'a mut dyn FnMut(usize) -> bool>;

pub(crate) fn opened<T>(
    image: &mut [u8],
    cipher: Option<Xts>,
    readonly: bool,
    force: bool,
    with: impl FnOnce(Storage<InMemory<'_>>) -> Result<T, fleetmint_nvs::Error>,
) -> Answer<T> {
    if !force {
        check_nvs(image).map_err(|error| ProblemReport::new("not-nvs", error.to_string()))?;
    }
    let mut unlimited = |_| true;
    let flash: InMemory<'_> = Metered::new(SliceFlash::new(image), &mut unlimited);
    let open = match force {
        true => Storage::open_as_firmware,
        false => Storage::open,
    };
    let storage = open(flash, mode(readonly), cipher);
    storage.and_then(with).map_err(|error| Problem::from(&error))
}

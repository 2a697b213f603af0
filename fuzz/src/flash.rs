//! Flash dumps from a fuzzer's input.
//!
//! ```text
//!   input    size in sectors, 1 byte │ record │ record │ …
//!   record   sector, 1 byte │ what comes there, 1 byte │ length, 1 byte │ that many bytes
//! ```
//!
//! A fuzzer never finds a correct checksum, so those of tables, pages and keys are corrected here.

use fleetmint_nvs::layout::{PAGE_SIZE, crc32};
use md5::{Digest, Md5};

/// More than the first 128 KiB, in which a table is looked for.
const SECTORS_MAX: usize = 40;

/// The dump that this input describes.
pub fn of(data: &[u8]) -> Vec<u8> {
    let Some((&size, mut rest)) = data.split_first() else {
        return Vec::new();
    };
    let mut flash = vec![0xFF; usize::from(size) % (SECTORS_MAX + 1) * PAGE_SIZE];
    while let [sector, what, length, tail @ ..] = rest {
        let (bytes, next) = tail.split_at(usize::from(*length).min(tail.len()));
        rest = next;
        let sectors = flash.len() / PAGE_SIZE;
        if sectors == 0 {
            break;
        }
        let begin = usize::from(*sector) % sectors * PAGE_SIZE;
        put(&mut flash[begin..begin + PAGE_SIZE], *what, bytes);
    }
    // A dump may end anywhere.
    flash.truncate(flash.len().saturating_sub(rest.len() * 1000));
    flash
}

fn put(sector: &mut [u8], what: u8, bytes: &[u8]) {
    match what % 8 {
        0 => sector[..bytes.len()].copy_from_slice(bytes),
        1 | 2 => table(sector, bytes, what % 8 == 1),
        3 => {
            sector[..32].fill(0xFF);
            sector[..4].copy_from_slice(&0xFFFF_FFFE_u32.to_le_bytes());
            sector[8] = 0xFE;
            let crc = crc32(&sector[4..28]);
            sector[28..32].copy_from_slice(&crc.to_le_bytes());
            sector[32..32 + bytes.len()].copy_from_slice(bytes);
        }
        4 => {
            let keys = bytes.len().min(64);
            sector[..64].fill(0x11);
            sector[..keys].copy_from_slice(&bytes[..keys]);
            let crc = crc32(&sector[..64]);
            sector[64..68].copy_from_slice(&crc.to_le_bytes());
        }
        5 => {
            sector.fill(0x5A);
            sector[..4].copy_from_slice(&[0xE9, 6, 2, 0x20]);
            sector[32..32 + bytes.len()].copy_from_slice(bytes);
        }
        6 => sector.fill(bytes.first().copied().unwrap_or_default()),
        _ => sector.iter_mut().enumerate().for_each(|(at, byte)| {
            *byte = (at as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0] ^ bytes.first().unwrap_or(&0);
        }),
    }
}

/// A row for each 6 bytes: type, subtype, offset and size in sectors, flags, a letter for the name.
fn table(sector: &mut [u8], bytes: &[u8], with_md5: bool) {
    sector.fill(0xFF);
    let mut rows = Vec::new();
    for row in bytes.chunks_exact(6) {
        rows.extend([0xAA, 0x50, row[0] % 3, row[1] % 6]);
        rows.extend((u32::from(row[2]) * 0x1000).to_le_bytes());
        rows.extend((u32::from(row[3]) * 0x1000).to_le_bytes());
        let mut name = [0; 16];
        name[0] = row[5];
        rows.extend(name);
        rows.extend(u32::from(row[4] % 4).to_le_bytes());
    }
    if with_md5 {
        let md5 = Md5::digest(&rows);
        rows.extend([0xEB, 0xEB]);
        rows.extend([0xFF; 14]);
        rows.extend(md5);
    }
    sector[..rows.len()].copy_from_slice(&rows);
}

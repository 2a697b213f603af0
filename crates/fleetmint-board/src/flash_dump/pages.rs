//! Whether the pages of a partition are those of NVS.

use fleetmint_nvs::layout::PAGE_SIZE;
use fleetmint_nvs::page::PageState;
use fleetmint_nvs::storage::{self, RawPage};

use super::{Content, NotNvs, content};

/// Whether these bytes are an NVS partition: blank, or with a page that has a valid header, and without what can only
/// lie outside of a partition.
///
/// # Errors
/// See [`NotNvs`].
pub fn check_nvs(partition: &[u8]) -> Result<(), NotNvs> {
    let mut first = None;
    let mut foreign = None;
    // Pages in a row, up to the last one, that no firmware ever wrote a state to.
    let mut strange = Vec::new();
    for (page, bytes) in storage::pages(partition).zip(partition.chunks_exact(PAGE_SIZE)) {
        if is_nvs(&page) {
            first = first.or(Some(page.offset));
        } else if foreign.is_none()
            && let Some(content) = content::certain(bytes)
        {
            foreign = Some((page.offset, content));
        }
        if page.state.is_some() || is_nvs(&page) {
            strange.clear();
        } else {
            strange.push(page.offset);
        }
    }
    if let [offset, _, ..] = strange.as_slice()
        && foreign.is_none()
        // Damage seldom makes noise of whole pages, and a single one may be an erasure that was cut short. What an
        // encrypted flash holds behind the partition is noise throughout.
        && content::identify(partition.get(*offset..).unwrap_or_default()) == Content::Noise
    {
        foreign = Some((*offset, Content::Noise));
    }
    match (foreign, first) {
        (Some((offset, content)), Some(nvs)) if offset < nvs => Err(NotNvs::Before { offset, content, nvs }),
        (Some((offset, content)), Some(_)) => Err(NotNvs::Longer { offset, content }),
        (None, Some(_)) => Ok(()),
        _ if partition.iter().all(|byte| *byte == 0xFF) => Ok(()),
        _ => Err(NotNvs::NoPage {
            pages: partition.len() / PAGE_SIZE,
            content: content::identify(partition),
        }),
    }
}

pub(super) fn has_nvs_page(sector: &[u8]) -> bool {
    storage::pages(sector).any(|page| is_nvs(&page))
}

/// Whether a page has a valid header: not blank, and its CRC fits.
pub(super) fn is_nvs(page: &RawPage) -> bool {
    page.state != Some(PageState::Uninitialized) && page.header.crc_fits()
}

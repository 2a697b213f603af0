//! A page's header and its bitmap of entry states.
//!
//! ```text
//!   0            4                8     9                                    28        32
//!   ┌────────────┬────────────────┬─────┬────────────────────────────────────┬─────────┐
//!   │ state word │ sequence number│ ver.│ unused, 0xFF                       │ CRC-32  │
//!   └────────────┴────────────────┴─────┴────────────────────────────────────┴─────────┘
//!                └──────────────── the CRC is over these ────────────────────┘
//! ```
//!
//! A new state only clears bits, so a page changes its state without an erase. The bitmap has two bits for each entry,
//! entry 0 in the lowest two of the first byte: 11 empty, 10 written, 00 erased; 01 is illegal.

use crate::fast::{self, BitmapWords, ENTRIES_PER_WORD};
use crate::layout::{BITMAP_SIZE, ENTRY_COUNT, Field, HEADER_SIZE, Version, crc32};

/// A field of the header.
type HeaderField<const SIZE: usize> = Field<HEADER_SIZE, SIZE>;

const STATE: HeaderField<4> = Field::at(0);
const SEQUENCE: HeaderField<4> = Field::at(4);
const VERSION: HeaderField<1> = Field::at(8);
const CRC: HeaderField<4> = Field::at(28);
/// What the checksum is over.
const COVERED: HeaderField<24> = Field::at(4);

const _: () = {
    assert!(STATE.end() == 4 && SEQUENCE.end() == 8);
    assert!(COVERED.end() == 28 && CRC.end() == HEADER_SIZE);
};

/// A page's state word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PageState {
    /// Not written since it was erased.
    Uninitialized,
    /// The page that is being written to.
    Active,
    /// Closed: nothing more is written to it.
    Full,
    /// Its items are being moved to another page.
    Freeing,
}

impl PageState {
    /// The word in the header.
    #[must_use]
    pub const fn word(self) -> u32 {
        match self {
            Self::Uninitialized => 0xFFFF_FFFF,
            Self::Active => 0xFFFF_FFFE,
            Self::Full => 0xFFFF_FFFC,
            Self::Freeing => 0xFFFF_FFF8,
        }
    }

    /// The state with this word.
    #[must_use]
    pub const fn from_word(word: u32) -> Option<Self> {
        match word {
            0xFFFF_FFFF => Some(Self::Uninitialized),
            0xFFFF_FFFE => Some(Self::Active),
            0xFFFF_FFFC => Some(Self::Full),
            0xFFFF_FFF8 => Some(Self::Freeing),
            _ => None,
        }
    }

    /// The state's name in ESP-IDF.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uninitialized => "UNINITIALIZED",
            Self::Active => "ACTIVE",
            Self::Full => "FULL",
            Self::Freeing => "FREEING",
        }
    }
}

/// A page's header, decoded. It may have any content that a flash can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageHeader {
    /// The state word, known or not; see [`PageState::from_word`].
    pub state_word: u32,
    /// The sequence number: higher is newer.
    pub sequence: u32,
    /// The version byte, known or not; see [`Version::from_byte`].
    pub version: u8,
    /// The stored checksum.
    pub crc: u32,
    /// The checksum of the bytes.
    pub crc_wanted: u32,
}

impl PageHeader {
    /// The bytes of a new header.
    ///
    /// ```
    /// use fleetmint_nvs::layout::Version;
    /// use fleetmint_nvs::page::{PageHeader, PageState};
    /// let header = PageHeader::encode(PageState::Active, 0, Version::V2);
    /// assert_eq!(header[..9], [0xFE, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0xFE]);
    /// assert_eq!(header[28..], [0x84, 0x2D, 0xBA, 0xB9]);
    /// ```
    #[must_use]
    pub fn encode(state: PageState, sequence: u32, version: Version) -> [u8; HEADER_SIZE] {
        let mut header = [0xFF; HEADER_SIZE];
        STATE.set(&mut header, state.word().to_le_bytes());
        SEQUENCE.set(&mut header, sequence.to_le_bytes());
        VERSION.set(&mut header, [version.byte()]);
        let crc = crc32(COVERED.of(&header));
        CRC.set(&mut header, crc.to_le_bytes());
        header
    }

    /// The header in these bytes.
    #[must_use]
    pub fn decode(bytes: &[u8; HEADER_SIZE]) -> Self {
        Self {
            state_word: u32::from_le_bytes(STATE.get(bytes)),
            sequence: u32::from_le_bytes(SEQUENCE.get(bytes)),
            version: u8::from_le_bytes(VERSION.get(bytes)),
            crc: u32::from_le_bytes(CRC.get(bytes)),
            crc_wanted: crc32(COVERED.of(bytes)),
        }
    }

    /// Whether the stored checksum is that of the bytes.
    #[must_use]
    pub const fn crc_fits(&self) -> bool {
        self.crc == self.crc_wanted
    }
}

/// The state of an entry in the bitmap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryState {
    /// 11: never written.
    Empty,
    /// 10: holds an item or a part of one.
    Written,
    /// 01: no complete write leaves this.
    Illegal,
    /// 00: no longer in use.
    Erased,
}

impl EntryState {
    /// The two bits.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::Erased => 0,
            Self::Illegal => 1,
            Self::Written => 2,
            Self::Empty => 3,
        }
    }

    /// The state of the lowest two bits.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::Erased,
            1 => Self::Illegal,
            2 => Self::Written,
            _ => Self::Empty,
        }
    }
}

/// A page's bitmap: the state of each of its 126 entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bitmap {
    words: BitmapWords,
}

impl Bitmap {
    /// All entries empty.
    pub const EMPTY: Self = Self {
        words: [u64::MAX; BITMAP_SIZE / 8],
    };

    /// The bitmap in these bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; BITMAP_SIZE]) -> Self {
        let mut words = [u64::MAX; BITMAP_SIZE / 8];
        let (chunks, _) = bytes.as_chunks();
        for (word, chunk) in words.iter_mut().zip(chunks) {
            *word = u64::from_le_bytes(*chunk);
        }
        Self { words }
    }

    /// The bytes of the bitmap.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; BITMAP_SIZE] {
        let mut bytes = [0xFF; BITMAP_SIZE];
        let (chunks, _) = bytes.as_chunks_mut();
        for (chunk, word) in chunks.iter_mut().zip(self.words) {
            *chunk = word.to_le_bytes();
        }
        bytes
    }

    /// The state of an entry. After entry 125: empty.
    #[must_use]
    #[inline]
    pub fn get(&self, entry: usize) -> EntryState {
        let word = self.words.get(entry / ENTRIES_PER_WORD).copied().unwrap_or(u64::MAX);
        EntryState::from_bits((word >> (2 * (entry % ENTRIES_PER_WORD)) & 3) as u8)
    }

    /// Sets the state of an entry. After entry 125 it does nothing.
    #[inline]
    pub fn set(&mut self, entry: usize, state: EntryState) {
        if entry >= ENTRY_COUNT {
            return;
        }
        if let Some(word) = self.words.get_mut(entry / ENTRIES_PER_WORD) {
            let shift = 2 * (entry % ENTRIES_PER_WORD);
            *word = *word & !(3 << shift) | u64::from(state.bits()) << shift;
        }
    }

    /// Which of the bitmap's eight 32-bit words holds an entry. The firmware writes the bitmap word by word.
    #[must_use]
    #[inline]
    pub(crate) const fn word_number(entry: usize) -> usize {
        entry / 16
    }

    /// One of the bitmap's eight 32-bit words, as its four bytes in flash.
    #[must_use]
    pub(crate) fn word_bytes(&self, number: usize) -> [u8; 4] {
        let word = self.words.get(number / 2).copied().unwrap_or(u64::MAX);
        ((word >> (32 * (number % 2))) as u32).to_le_bytes()
    }

    /// The entries in this state, as a set: bit n is entry n.
    #[must_use]
    #[inline]
    pub(crate) fn set_of(&self, state: EntryState) -> u128 {
        fast::entries_with(&self.words, state.bits())
    }

    /// The first entry in this state.
    #[must_use]
    #[inline]
    pub(crate) fn first(&self, state: EntryState) -> Option<usize> {
        fast::first_entry_with(&self.words, state.bits())
    }

    /// How many of the 126 entries are in this state.
    #[must_use]
    pub fn count(&self, state: EntryState) -> usize {
        self.set_of(state).count_ones() as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_active_page_with_sequence_number_0() {
        let header = PageHeader::encode(PageState::Active, 0, Version::V2);
        assert_eq!(
            hex::encode(header),
            "feffffff00000000feffffffffffffffffffffffffffffffffffffff842dbab9"
        );
        let back = PageHeader::decode(&header);
        assert!(back.crc_fits());
        assert_eq!(PageState::from_word(back.state_word), Some(PageState::Active));
        assert_eq!(
            (back.sequence, Version::from_byte(back.version)),
            (0, Some(Version::V2))
        );
    }

    #[test]
    fn states_only_clear_bits() {
        let states = [
            PageState::Uninitialized,
            PageState::Active,
            PageState::Full,
            PageState::Freeing,
        ];
        for pair in states.windows(2) {
            assert_eq!(pair[0].word() & pair[1].word(), pair[1].word());
        }
        for state in states {
            assert_eq!(PageState::from_word(state.word()), Some(state));
        }
    }

    #[test]
    fn a_bitmap_keeps_each_entry_apart() {
        let mut bitmap = Bitmap::EMPTY;
        bitmap.set(0, EntryState::Written);
        assert_eq!(bitmap.to_bytes()[0], 0b1111_1110);
        bitmap.set(33, EntryState::Erased);
        bitmap.set(125, EntryState::Illegal);
        assert_eq!(Bitmap::from_bytes(&bitmap.to_bytes()), bitmap);
        assert_eq!(
            [0, 1, 33, 125].map(|entry| bitmap.get(entry)).map(EntryState::bits),
            [2, 3, 0, 1]
        );
        assert_eq!(bitmap.count(EntryState::Empty), 123);
        assert_eq!(bitmap.count(EntryState::Written), 1);
        assert_eq!(bitmap.count(EntryState::Erased), 1);
        assert_eq!(bitmap.count(EntryState::Illegal), 1);
        assert_eq!(bitmap.set_of(EntryState::Erased), 1 << 33);
        assert_eq!(bitmap.set_of(EntryState::Illegal), 1 << 125);
        assert_eq!(bitmap.first(EntryState::Illegal), Some(125));
        assert_eq!(bitmap.first(EntryState::Empty), Some(1));
        assert_eq!(bitmap.word_bytes(0), [0xFE, 0xFF, 0xFF, 0xFF]);
        assert_eq!(bitmap.word_bytes(Bitmap::word_number(33)), [0xF3, 0xFF, 0xFF, 0xFF]);
        let mut spare = [0xFF; 32];
        spare[31] = 0x0F;
        assert_eq!(Bitmap::from_bytes(&spare).count(EntryState::Erased), 0);
        assert_eq!(Bitmap::from_bytes(&spare).first(EntryState::Erased), None);
        assert_eq!(Bitmap::from_bytes(&spare).count(EntryState::Empty), 126);
    }
}

//! The bytes of one row of the table. All numbers are little-endian.
//!
//! ```text
//!   a partition    0       2      3         4        8      12                     28      32
//!                  ┌───────┬──────┬─────────┬────────┬──────┬──────────────────────┬───────┐
//!                  │ AA 50 │ type │ subtype │ offset │ size │ name, padded by NULs │ flags │
//!                  └───────┴──────┴─────────┴────────┴──────┴──────────────────────┴───────┘
//!
//!   the checksum   0       2                           16                                 32
//!                  ┌───────┬───────────────────────────┬──────────────────────────────────┐
//!                  │ EB EB │ FF … FF                   │ MD5 of all rows before this one  │
//!                  └───────┴───────────────────────────┴──────────────────────────────────┘
//!
//!   the end        32 times FF
//! ```
//!
//! Source: `esp_partition_info_t` of ESP-IDF (`components/bootloader_support/include/esp_flash_partitions.h`) and
//! `gen_esp32part.py`.

/// Bytes in a row.
pub(super) const ROW_SIZE: usize = 32;

const MAGIC: Field<2> = Field::at(0);
const TYPE: Field<1> = Field::at(2);
const SUBTYPE: Field<1> = Field::at(3);
const OFFSET: Field<4> = Field::at(4);
const SIZE: Field<4> = Field::at(8);
const NAME: Field<16> = Field::at(12);
const FLAGS: Field<4> = Field::at(28);
/// In the row of the checksum.
const MD5: Field<16> = Field::at(16);

const _: () = {
    assert!(MAGIC.end() == TYPE.start && TYPE.end() == SUBTYPE.start && SUBTYPE.end() == OFFSET.start);
    assert!(OFFSET.end() == SIZE.start && SIZE.end() == NAME.start && NAME.end() == FLAGS.start);
    assert!(FLAGS.end() == ROW_SIZE && MD5.end() == ROW_SIZE);
};

const PARTITION: [u8; 2] = [0xAA, 0x50];
const CHECKSUM: [u8; 2] = [0xEB, 0xEB];

/// What a row holds.
pub(super) enum Row {
    Partition(PartitionRow),
    Checksum { md5: [u8; 16] },
    End,
    Unknown,
}

/// The fields of a partition's row.
pub(super) struct PartitionRow {
    pub(super) kind: u8,
    pub(super) subtype: u8,
    pub(super) offset: u32,
    pub(super) size: u32,
    /// With its padding.
    pub(super) name: [u8; 16],
    pub(super) flags: u32,
}

impl Row {
    pub(super) fn decode(row: &[u8; ROW_SIZE]) -> Self {
        match MAGIC.of(row) {
            PARTITION => Self::Partition(PartitionRow {
                kind: u8::from_le_bytes(TYPE.of(row)),
                subtype: u8::from_le_bytes(SUBTYPE.of(row)),
                offset: u32::from_le_bytes(OFFSET.of(row)),
                size: u32::from_le_bytes(SIZE.of(row)),
                name: NAME.of(row),
                flags: u32::from_le_bytes(FLAGS.of(row)),
            }),
            CHECKSUM => Self::Checksum { md5: MD5.of(row) },
            _ if *row == [0xFF; ROW_SIZE] => Self::End,
            _ => Self::Unknown,
        }
    }
}

/// Whether bytes begin with the row of a partition.
pub(super) fn begins_with_partition(bytes: &[u8]) -> bool {
    bytes.starts_with(&PARTITION)
}

/// A field of a row: `LEN` bytes from `start` on.
struct Field<const LEN: usize> {
    start: usize,
}

impl<const LEN: usize> Field<LEN> {
    const fn at(start: usize) -> Self {
        assert!(start + LEN <= ROW_SIZE, "a field is within its row");
        Self { start }
    }

    const fn end(&self) -> usize {
        self.start + LEN
    }

    /// The field's bytes.
    fn of(&self, row: &[u8; ROW_SIZE]) -> [u8; LEN] {
        let field = row.get(self.start..).and_then(|rest| rest.first_chunk());
        // Every field is within its row: `at` asserts it.
        field.copied().unwrap_or([0; LEN])
    }
}

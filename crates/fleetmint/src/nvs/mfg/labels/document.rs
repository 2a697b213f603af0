//! The sheets as a PDF, which is written page by page: of a page that is done only its place in the file is remembered.
//!
//! ```text
//!   %PDF-1.7
//!    9, 10   content of page 1, page 1
//!   11, 12   content of page 2, page 2
//!   …
//!   1 to 8   catalog, page tree, and the font with the characters that are on the sheets
//!   xref     the place of each object
//! ```
//! The same labels make the same bytes: a PDF has no date here.

use std::collections::BTreeMap;
use std::io::{self, Write};

use flate2::{Compress, Compression, FlushCompress, Status};
use fleetmint_board::wiped::Wiped;
use pdf_writer::types::{CidFontType, FontFlags, SystemInfo, UnicodeCmap};
use pdf_writer::{Chunk, Filter, Finish, Name, Rect, Ref, Settings, Str};

use super::drawing::{Drawing, FONT_NAME, MM};
use super::font::{CAP_HEIGHT, Font, WIDTH};
use super::sheet::Sheet;

const CATALOG: i32 = 1;
const PAGES: i32 = 2;
const FONT: i32 = 3;
const CID_FONT: i32 = 4;
const DESCRIPTOR: i32 = 5;
const FONT_FILE: i32 = 6;
const GLYPH_NUMBERS: i32 = 7;
const TO_UNICODE: i32 = 8;
/// The content of the first page; the page is the next, and then comes the next page's content.
const FIRST_PAGE: i32 = 9;

/// A font of which a PDF has only a part is named with six letters before its name.
const FONT_NAME_IN_FILE: Name<'static> = Name(b"FLEETM+Hack-Regular");
const SYSTEM: SystemInfo<'static> = SystemInfo {
    registry: Str(b"Adobe"),
    ordering: Str(b"Identity"),
    supplement: 0,
};

/// A PDF that is being written.
#[derive(Debug)]
pub(crate) struct Document<W> {
    out: W,
    sheet: Sheet,
    font: Font,
    /// The place of the next label on the sheet.
    next: usize,
    /// The content of the sheet, before it is compressed.
    content: Wiped,
    pages: i32,
    glyphs: BTreeMap<u16, char>,
    written: u64,
    /// The objects and where they begin.
    offsets: Vec<(i32, u64)>,
}

impl<W: Write> Document<W> {
    /// Begins a PDF. The first label is at place `first` of its sheet, counted from 0.
    pub(crate) fn new(out: W, sheet: &Sheet, first: usize) -> io::Result<Self> {
        let mut document = Self {
            out,
            sheet: sheet.clone(),
            font: Font::new().map_err(io::Error::other)?,
            next: first.min(sheet.count().saturating_sub(1)),
            content: Wiped::with_capacity(64 << 10),
            pages: 0,
            glyphs: BTreeMap::new(),
            written: 0,
            offsets: Vec::new(),
        };
        // Bytes beyond ASCII say that the file is not a text.
        document.write(b"%PDF-1.7\n%\xE2\xE3\xCF\xD3\n")?;
        Ok(document)
    }

    /// Adds the next label.
    pub(crate) fn add(&mut self, label: &Drawing) -> io::Result<()> {
        if self.next >= self.sheet.count() {
            self.end_page()?;
            self.next = 0;
        }
        let (x, y) = self.sheet.place(self.next);
        let begin = format!("q 1 0 0 1 {:.3} {:.3} cm\n", x * MM, y * MM);
        let end = b"\nQ\n";
        let needed = self.content.len() + begin.len() + label.content.len() + end.len();
        if needed > self.content.capacity() {
            self.content.enlarge(needed * 2);
        }
        self.content.push(begin.as_bytes())?;
        self.content.push(label.content.as_ref())?;
        self.content.push(end)?;
        self.glyphs.extend(&label.glyphs);
        self.next += 1;
        Ok(())
    }

    /// Ends the PDF.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        // No PDF is without a page.
        if !self.content.is_empty() || self.pages == 0 {
            self.end_page()?;
        }
        self.object(CATALOG, |chunk, id| {
            let mut catalog = chunk.indirect(id).start::<pdf_writer::writers::Catalog<'_>>();
            catalog.pages(Ref::new(PAGES));
            // A dialog that fits the page to the printer would move every label.
            catalog
                .viewer_preferences()
                .insert(Name(b"PrintScaling"))
                .primitive(Name(b"None"));
        })?;
        let pages = self.pages;
        self.object(PAGES, |chunk, id| {
            let kids = (0..pages).map(|page| Ref::new(FIRST_PAGE + 2 * page + 1));
            chunk.pages(id).count(pages).kids(kids);
        })?;
        self.write_font()?;
        self.write_end()?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn end_page(&mut self) -> io::Result<()> {
        let content = deflate(self.content.as_ref())?;
        self.content.truncate(0);
        let id = FIRST_PAGE + 2 * self.pages;
        // Not by a chunk, which would leave a copy of it in memory.
        self.offsets.push((id, self.written));
        let begin = format!("{id} 0 obj\n<</Length {}/Filter/FlateDecode>>\nstream\n", content.len());
        self.write(begin.as_bytes())?;
        self.write(content.as_ref())?;
        self.write(b"\nendstream\nendobj\n")?;
        let (width, height) = self.sheet.paper.size();
        self.object(id + 1, |chunk, page_id| {
            let mut page = chunk.page(page_id);
            page.parent(Ref::new(PAGES))
                .media_box(Rect::new(0.0, 0.0, width * MM, height * MM))
                .contents(Ref::new(id));
            page.resources().fonts().pair(FONT_NAME, Ref::new(FONT));
        })?;
        self.pages += 1;
        Ok(())
    }

    /// The font as a composite one: two bytes for each glyph, by its number in the whole font.
    fn write_font(&mut self) -> io::Result<()> {
        let subset = self.font.subset(&self.glyphs).map_err(io::Error::other)?;
        let file = deflate(&subset.file)?;
        let numbers = deflate(&subset.numbers)?;
        let mut to_unicode = UnicodeCmap::<u16>::new(Name(b"Fleetmint"), SYSTEM);
        for (glyph, char) in &self.glyphs {
            to_unicode.pair(*glyph, *char);
        }
        let to_unicode = deflate(to_unicode.finish().as_slice())?;
        self.object(FONT, |chunk, id| {
            chunk
                .type0_font(id)
                .base_font(FONT_NAME_IN_FILE)
                .encoding_predefined(Name(b"Identity-H"))
                .descendant_font(Ref::new(CID_FONT))
                .to_unicode(Ref::new(TO_UNICODE));
        })?;
        self.object(CID_FONT, |chunk, id| {
            let mut font = chunk.cid_font(id);
            font.subtype(CidFontType::Type2)
                .base_font(FONT_NAME_IN_FILE)
                .system_info(SYSTEM)
                .font_descriptor(Ref::new(DESCRIPTOR))
                .cid_to_gid_map_stream(Ref::new(GLYPH_NUMBERS));
            // Not as the default width, which is an integer in a PDF.
            font.widths().same(0, u16::MAX, WIDTH * 1000.0);
        })?;
        self.object(DESCRIPTOR, |chunk, id| {
            chunk
                .font_descriptor(id)
                .name(FONT_NAME_IN_FILE)
                .flags(FontFlags::FIXED_PITCH | FontFlags::SYMBOLIC)
                .bbox(Rect::new(-500.0, -300.0, 1200.0, 1200.0))
                .italic_angle(0.0)
                .ascent(928.0)
                .descent(-236.0)
                .cap_height(CAP_HEIGHT * 1000.0)
                .stem_v(80.0)
                .font_file2(Ref::new(FONT_FILE));
        })?;
        self.object(FONT_FILE, |chunk, id| {
            let mut stream = chunk.stream(id, file.as_ref());
            stream.filter(Filter::FlateDecode);
            stream.pair(Name(b"Length1"), i32::try_from(subset.file.len()).unwrap_or(i32::MAX));
            stream.finish();
        })?;
        for (id, bytes) in [(GLYPH_NUMBERS, numbers), (TO_UNICODE, to_unicode)] {
            self.object(id, |chunk, id| {
                chunk.stream(id, bytes.as_ref()).filter(Filter::FlateDecode);
            })?;
        }
        Ok(())
    }

    /// The table of objects: 20 bytes for each (ISO 32000-1, 7.5.4).
    fn write_end(&mut self) -> io::Result<()> {
        let start = self.written;
        let mut offsets = std::mem::take(&mut self.offsets);
        offsets.sort_unstable();
        let count = offsets.len() + 1;
        self.write(format!("xref\n0 {count}\n0000000000 65535 f \n").as_bytes())?;
        for (_, offset) in offsets {
            self.write(format!("{offset:010} 00000 n \n").as_bytes())?;
        }
        self.write(format!("trailer\n<</Size {count}/Root {CATALOG} 0 R>>\nstartxref\n{start}\n%%EOF\n").as_bytes())
    }

    fn object(&mut self, id: i32, write: impl FnOnce(&mut Chunk, Ref)) -> io::Result<()> {
        let mut chunk = Chunk::with_settings(Settings { pretty: false });
        write(&mut chunk, Ref::new(id));
        self.offsets.push((id, self.written));
        self.write(chunk.as_bytes())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }
}

/// Compresses in memory of fixed room, which is overwritten.
fn deflate(bytes: &[u8]) -> io::Result<Wiped> {
    // The worst case of this coder, as its own bound has it (`mz_deflateBound`).
    let mut compressed = Vec::with_capacity(bytes.len() + bytes.len() / 10 + 256);
    let status = Compress::new(Compression::fast(), true).compress_vec(bytes, &mut compressed, FlushCompress::Finish);
    let compressed = Wiped::from(compressed);
    match status {
        Ok(Status::StreamEnd) => Ok(compressed),
        _ => Err(io::Error::other("a page could not be compressed")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::code::{Level, encode};
    use super::super::drawing::draw;
    use super::*;

    fn document(sheet: &str, first: usize, labels: usize) -> Vec<u8> {
        let sheet: Sheet = sheet.parse().unwrap();
        let font = Font::new().unwrap();
        let mut document = Document::new(Vec::new(), &sheet, first).unwrap();
        for number in 0..labels {
            let code = encode(&format!("device {number}"), Level::M).unwrap();
            let drawing = draw(&sheet, &code, &format!("{number}"), &font).unwrap();
            document.add(&drawing).unwrap();
        }
        document.finish().unwrap()
    }

    fn pages(pdf: &[u8]) -> usize {
        let text = String::from_utf8_lossy(pdf);
        let count: usize = text
            .split("/Count ")
            .nth(1)
            .unwrap()
            .split(|char: char| !char.is_ascii_digit())
            .next()
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(text.matches("/Type/Page/").count(), count);
        count
    }

    #[test]
    fn labels_fill_one_sheet_after_the_other_from_the_first_place() {
        for (first, labels, want) in [
            (0, 0, 1),
            (0, 1, 1),
            (0, 21, 1),
            (0, 22, 2),
            (20, 1, 1),
            (20, 2, 2),
            (20, 22, 2),
            (20, 23, 3),
        ] {
            assert_eq!(pages(&document("L7160", first, labels)), want, "{first} {labels}");
        }
    }

    #[test]
    fn every_object_is_where_the_table_says() {
        let pdf = document("L7651", 0, 200);
        let end = String::from_utf8_lossy(&pdf[pdf.len() - 100..]).into_owned();
        let start: usize = end
            .rsplit("startxref\n")
            .next()
            .unwrap()
            .lines()
            .next()
            .unwrap()
            .parse()
            .unwrap();
        let table = std::str::from_utf8(&pdf[start..]).unwrap();
        let table: Vec<&str> = table.lines().collect();
        assert_eq!(table[..3], ["xref", "0 17", "0000000000 65535 f "]);
        for id in 1..17 {
            let offset: usize = table[2 + id].split(' ').next().unwrap().parse().unwrap();
            assert!(
                pdf[offset..]
                    .trim_ascii_start()
                    .starts_with(format!("{id} 0 obj").as_bytes()),
                "{id}"
            );
        }
    }

    #[test]
    fn the_same_labels_are_the_same_bytes() {
        assert!(document("5160", 3, 40) == document("5160", 3, 40));
    }

    #[test]
    fn what_cannot_be_compressed_has_room() {
        for size in [0, 1, 1000, 100_000] {
            let mut state = 1u32;
            let noise: Vec<u8> = std::iter::repeat_with(|| {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                state as u8
            })
            .take(size)
            .collect();
            let compressed = deflate(&noise).unwrap();
            let mut back = Vec::new();
            io::Read::read_to_end(&mut flate2::read::ZlibDecoder::new(compressed.as_ref()), &mut back).unwrap();
            assert!(back == noise);
        }
    }

    /// What a page holds leaves with the page.
    #[test]
    fn memory_does_not_grow_with_the_labels() {
        let sheet: Sheet = "L7651".parse().unwrap();
        let font = Font::new().unwrap();
        let code = encode("one", Level::M).unwrap();
        let drawing = draw(&sheet, &code, "1", &font).unwrap();
        let mut document = Document::new(io::sink(), &sheet, 0).unwrap();
        for _ in 0..sheet.count() * 2 {
            document.add(&drawing).unwrap();
        }
        let room = document.content.capacity();
        for _ in 0..sheet.count() * 50 {
            document.add(&drawing).unwrap();
        }
        assert_eq!((document.content.capacity(), document.glyphs.len()), (room, 1));
    }
}

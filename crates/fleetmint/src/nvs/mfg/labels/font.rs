//! The font of the sheets: which characters it has, and the part of it that a PDF needs.

use std::collections::BTreeMap;
use std::fmt;

use ttf_parser::{Face, GlyphId};
use unicode_width::UnicodeWidthChar;

/// Hack; `font/README.md` says where it is from.
const FILE: &[u8] = include_bytes!("font/Hack-Regular.ttf");

/// The width of every character, and its lines, in parts of the font's size.
pub(crate) const WIDTH: f32 = 1233.0 / 2048.0;
pub(crate) const CAP_HEIGHT: f32 = 1493.0 / 2048.0;
pub(crate) const LINE: f32 = 1.25;

/// The font, with the characters that were asked for so far.
pub(crate) struct Font {
    face: Face<'static>,
}

/// The parts of the font for some glyphs.
pub(crate) struct Subset {
    pub(crate) file: Vec<u8>,
    /// For the number of a glyph in the whole font its number in `file`: two bytes for each.
    pub(crate) numbers: Vec<u8>,
}

/// The font cannot be read: a fault of this program.
#[derive(Debug)]
pub(crate) struct BrokenFont(String);

impl fmt::Display for BrokenFont {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the font of the sheets cannot be read: {}", self.0)
    }
}

impl std::error::Error for BrokenFont {}

impl Font {
    pub(crate) fn new() -> Result<Self, BrokenFont> {
        let face = Face::parse(FILE, 0).map_err(|error| BrokenFont(error.to_string()))?;
        Ok(Self { face })
    }

    /// The glyph of a character; `None` if the font has none, or if the character changes its neighbours, as an accent of
    /// its own does.
    pub(crate) fn glyph(&self, char: char) -> Option<u16> {
        if char.width() != Some(1) {
            return None;
        }
        let glyph = self.face.glyph_index(char).filter(|glyph| *glyph != GlyphId(0))?;
        (self.face.glyph_hor_advance(glyph) == Some(1233)).then_some(glyph.0)
    }

    /// The font with these glyphs alone.
    pub(crate) fn subset(&self, glyphs: &BTreeMap<u16, char>) -> Result<Subset, BrokenFont> {
        let mut remapper = subsetter::GlyphRemapper::new();
        let last = glyphs.last_key_value().map_or(0, |(glyph, _)| usize::from(*glyph));
        let mut numbers = vec![0; (last + 1) * 2];
        for glyph in glyphs.keys() {
            let number = remapper.remap(*glyph).to_be_bytes();
            let place = usize::from(*glyph) * 2;
            if let Some(place) = numbers.get_mut(place..place + 2) {
                place.copy_from_slice(&number);
            }
        }
        let file = subsetter::subset(FILE, 0, &remapper).map_err(|error| BrokenFont(error.to_string()))?;
        Ok(Subset { file, numbers })
    }
}

impl fmt::Debug for Font {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Font")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_what_labels_need_and_says_what_it_lacks() {
        let font = Font::new().unwrap();
        for char in (' '..='~').chain("äöüßÄÖÜéèêçñøåłŠžőığȘΑΩλЖыёїґ€£µ°±×²–—„“‘’«»…™©®№→←".chars())
        {
            assert!(font.glyph(char).is_some(), "{char:?}");
        }
        // An accent of its own, what is wide, what is written from the right or joined, what is no character.
        for char in "\u{301}中あ한😀אبก\n\t\u{200b}\u{ad}\u{202e}\u{feff}\0".chars() {
            assert_eq!(font.glyph(char), None, "{:x}", char as u32);
        }
    }

    #[test]
    fn its_numbers_are_those_of_the_file() {
        let face = Face::parse(FILE, 0).unwrap();
        assert_eq!((face.units_per_em(), face.capital_height()), (2048, Some(1493)));
        assert!(face.is_monospaced());
    }
}

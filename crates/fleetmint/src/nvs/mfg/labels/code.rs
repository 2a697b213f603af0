//! A QR code (ISO/IEC 18004, model 2) as SVG and PNG.
//!
//! ```text
//!   ┌──────────────────────┐
//!   │  quiet zone of 4     │      a module is 1 mm in the SVG, and 8 pixels of 1/8 mm in the PNG:
//!   │   ┌──────────────┐   │      printers of 203 dpi have 8 dots for a millimetre
//!   │   │ 21 to 177    │   │
//!   │   │ modules      │   │
//! ```

use std::fmt::{self, Write as _};
use std::io;

use clap::ValueEnum;
use fleetmint_board::wiped::{Wiped, WipedText};
use qrcodegen_no_heap::{DataTooLong, QrCode, QrCodeEcc, QrSegment, Version};

/// The light modules around a code, which readers need to find it.
pub(crate) const QUIET: usize = 4;

/// The most bytes that a text of any kind can have in a code: digits, at the level L.
pub(crate) const TEXT_MAX: usize = 7089;

/// The number of UTF-8 among the codings of a text (AIM's register of extended channel interpretations).
const ECI_UTF_8: u32 = 26;

const PIXELS: usize = 8;
const PIXELS_PER_METRE: u32 = 8000;

/// How much of a code may be damaged or covered
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Level {
    /// 7 % of it
    L,
    /// 15 % of it
    M,
    /// 25 % of it
    Q,
    /// 30 % of it
    H,
}

/// A code: its modules, row by row. They hold the text, which may be a secret.
#[derive(Debug)]
pub(crate) struct Code {
    size: usize,
    /// A byte for each module: 1 is dark.
    modules: Wiped,
}

/// Dark modules side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) x: usize,
    pub(crate) y: usize,
    pub(crate) length: usize,
}

/// A text that no code can hold. It does not show the text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CodeError {
    Empty,
    TooLong {
        size: usize,
        kind: &'static str,
        level: Level,
        limit: usize,
    },
}

impl Level {
    fn ecc(self) -> QrCodeEcc {
        match self {
            Self::L => QrCodeEcc::Low,
            Self::M => QrCodeEcc::Medium,
            Self::Q => QrCodeEcc::Quartile,
            Self::H => QrCodeEcc::High,
        }
    }

    /// What the largest code holds: digits, characters of the alphanumeric set, or bytes (ISO/IEC 18004, table 7).
    fn limits(self) -> [usize; 3] {
        match self {
            Self::L => [TEXT_MAX, 4296, 2953],
            Self::M => [5596, 3391, 2331],
            Self::Q => [3993, 2420, 1663],
            Self::H => [3057, 1852, 1273],
        }
    }
}

/// How many modules a side of the code of this text has, without drawing it.
pub(crate) fn modules(text: &str, level: Level) -> Result<usize, CodeError> {
    let (_, _, version) = write_codewords(text, level, &mut buffer(), &mut buffer())?;
    Ok(usize::from(version.value()) * 4 + 17)
}

/// The code of a text: the smallest that holds it at this level, and of the higher levels the highest that needs no larger one.
pub(crate) fn encode(text: &str, level: Level) -> Result<Code, CodeError> {
    let (mut work, mut out) = (buffer(), buffer());
    let (length, level, version) = write_codewords(text, level, &mut work, &mut out)?;
    let code = QrCode::encode_codewords(out.as_mut(), length, work.as_mut(), level, version, None);
    let side = code.size();
    let size = usize::try_from(side).unwrap_or_default();
    let mut modules = Wiped::filled(0, size * size);
    let places = (0..side).flat_map(|y| (0..side).map(move |x| (x, y)));
    for (module, (x, y)) in modules.as_mut().iter_mut().zip(places) {
        *module = u8::from(code.get_module(x, y));
    }
    Ok(Code { size, modules })
}

/// Writes the text as the data of a code, and returns their length, the level that they have and the size of the code.
fn write_codewords(
    text: &str,
    level: Level,
    work: &mut Wiped,
    out: &mut Wiped,
) -> Result<(usize, QrCodeEcc, Version), CodeError> {
    // Before the encoder, which takes no text that is much longer than a code.
    check(text, level)?;
    let mut eci = [0; 3];
    let mut segments = Vec::with_capacity(2);
    segments.push(if QrSegment::is_numeric(text) {
        QrSegment::make_numeric(text, work.as_mut())
    } else if QrSegment::is_alphanumeric(text) {
        QrSegment::make_alphanumeric(text, work.as_mut())
    } else {
        QrSegment::make_bytes(text.as_bytes())
    });
    if !text.is_ascii() {
        // Without it a reader guesses, and some guess wrong.
        segments.insert(0, QrSegment::make_eci(ECI_UTF_8, &mut eci));
    }
    let (least, most) = (Version::MIN, Version::MAX);
    let written = QrCode::encode_segments_to_codewords(&segments, out.as_mut(), level.ecc(), least, most, true);
    written.map_err(|error| too_long(text, level, &error))
}

fn buffer() -> Wiped {
    Wiped::filled(0, Version::MAX.buffer_len())
}

fn check(text: &str, level: Level) -> Result<(), CodeError> {
    let [digits, alphanumeric, bytes] = level.limits();
    let (kind, limit) = match () {
        () if text.is_empty() => return Err(CodeError::Empty),
        () if QrSegment::is_numeric(text) => ("digits", digits),
        () if QrSegment::is_alphanumeric(text) => ("capital letters and digits", alphanumeric),
        () if text.is_ascii() => ("bytes", bytes),
        // The name of the coding takes the room of one.
        () => ("bytes", bytes - 1),
    };
    if text.len() > limit {
        return Err(CodeError::TooLong {
            size: text.len(),
            kind,
            level,
            limit,
        });
    }
    Ok(())
}

fn too_long(text: &str, level: Level, error: &DataTooLong) -> CodeError {
    let limit = match error {
        DataTooLong::SegmentTooLong => 0,
        DataTooLong::DataOverCapacity(_, bits) => bits / 8,
    };
    CodeError::TooLong {
        size: text.len(),
        kind: "bytes",
        level,
        limit,
    }
}

impl Code {
    /// The modules of a side, without the quiet zone.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// The dark modules, from the top left.
    pub(crate) fn runs(&self) -> impl Iterator<Item = Run> {
        let rows = self.modules.as_ref().chunks(self.size.max(1)).enumerate();
        rows.flat_map(|(y, row)| {
            let mut x = 0;
            row.chunk_by(|one, next| one == next).filter_map(move |modules| {
                let run = Run {
                    x,
                    y,
                    length: modules.len(),
                };
                x += modules.len();
                (modules.first() == Some(&1)).then_some(run)
            })
        })
    }

    pub(crate) fn svg(&self) -> Wiped {
        let side = self.size + 2 * QUIET;
        let mut text = WipedText::default();
        // Writing to memory does not fail.
        let _ = write!(
            text,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{side}mm\" height=\"{side}mm\" viewBox=\"0 0 {side} {side}\" \
             shape-rendering=\"crispEdges\">\n<path fill=\"#fff\" d=\"M0 0h{side}v{side}H0z\"/>\n<path d=\""
        );
        for Run { x, y, length } in self.runs() {
            let _ = write!(text, "M{} {}h{length}v1h-{length}z", x + QUIET, y + QUIET);
        }
        let _ = text.write_str("\"/>\n</svg>\n");
        let mut file = Wiped::with_capacity(text.len());
        // There is room for all of it.
        let _ = file.push(text.as_bytes());
        file
    }

    /// A picture of 1 bit for each pixel.
    pub(crate) fn png(&self) -> io::Result<Wiped> {
        let side = (self.size + 2 * QUIET) * PIXELS;
        let row_size = side.div_ceil(8);
        let mut pixels = Wiped::filled(0xFF, row_size * side);
        for Run { x, y, length } in self.runs() {
            let top = (y + QUIET) * PIXELS;
            // PIXELS is 8: a module is a byte of a row.
            let rows = pixels.as_mut().chunks_mut(row_size).skip(top).take(PIXELS);
            for row in rows {
                let modules = row.iter_mut().skip(x + QUIET).take(length);
                modules.for_each(|module| *module = 0);
            }
        }
        let side = u32::try_from(side).unwrap_or_default();
        // Larger than any compression of the pixels: memory that a vector grows out of would not be overwritten.
        let mut file = Wiped::with_capacity(pixels.len() * 2 + 4096);
        let mut encoder = png::Encoder::new(&mut file, side, side);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::One);
        encoder.set_compression(png::Compression::Fast);
        encoder.set_filter(png::Filter::Up);
        encoder.set_pixel_dims(Some(png::PixelDimensions {
            xppu: PIXELS_PER_METRE,
            yppu: PIXELS_PER_METRE,
            unit: png::Unit::Meter,
        }));
        let mut writer = encoder.write_header()?;
        writer.write_image_data(pixels.as_ref())?;
        writer.finish()?;
        Ok(file)
    }
}

impl fmt::Display for CodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "the text of the code is empty"),
            Self::TooLong {
                size,
                kind,
                level,
                limit,
            } => {
                write!(
                    f,
                    "the text of the code has {size} {kind}; a QR code of the level {level:?} holds {limit} {kind}"
                )
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What a reader sees in a picture that is white where `dark` is false.
    pub(crate) fn read(side: usize, dark: impl Fn(usize, usize) -> bool) -> Vec<String> {
        let mut picture =
            rqrr::PreparedImage::prepare_from_greyscale(side, side, |x, y| if dark(x, y) { 0 } else { 255 });
        picture
            .detect_grids()
            .iter()
            .map(|grid| grid.decode().unwrap().1)
            .collect()
    }

    pub(crate) fn read_png(file: &[u8]) -> String {
        let mut reader = png::Decoder::new(io::Cursor::new(file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!(
            (info.color_type, info.bit_depth),
            (png::ColorType::Grayscale, png::BitDepth::One)
        );
        let side = info.width as usize;
        let mut texts = read(side, |x, y| pixels[y * info.line_size + x / 8] & (0x80 >> (x % 8)) == 0);
        assert_eq!(texts.len(), 1);
        texts.remove(0)
    }

    /// Draws the rectangles of the path.
    pub(crate) fn read_svg(svg: &[u8]) -> String {
        let svg = std::str::from_utf8(svg).unwrap();
        let side: usize = svg
            .split("viewBox=\"0 0 ")
            .nth(1)
            .unwrap()
            .split(' ')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        let path = svg.split("<path d=\"").nth(1).unwrap().split('"').next().unwrap();
        let mut dark = vec![false; side * side];
        for part in path.split_terminator('z') {
            let numbers: Vec<usize> = part
                .split(|char: char| !char.is_ascii_digit())
                .filter(|number| !number.is_empty())
                .map(|number| number.parse().unwrap())
                .collect();
            let [x, y, length, 1, back] = numbers[..] else {
                panic!("{part}")
            };
            assert_eq!(length, back);
            dark[y * side + x..][..length].fill(true);
        }
        let scale = 4;
        let mut texts = read(side * scale, |x, y| dark[y / scale * side + x / scale]);
        assert_eq!(texts.len(), 1);
        texts.remove(0)
    }

    const RAINMAKER: &str = r#"{"ver":"v1","name":"PROV_a1b2c3","pop":"abcd1234","transport":"ble"}"#;

    #[test]
    fn a_reader_reads_both_files() {
        let long = "0123456789abcdef".repeat(40);
        for level in [Level::L, Level::M, Level::Q, Level::H] {
            for text in [
                RAINMAKER,
                "1",
                "0123456789",
                "HTTPS://EXAMPLE.COM/A1",
                "grüße 😀",
                &long,
            ] {
                let code = encode(text, level).unwrap();
                assert_eq!(read_svg(code.svg().as_ref()), text, "{level:?}");
                assert_eq!(read_png(code.png().unwrap().as_ref()), text, "{level:?}");
                assert_eq!(modules(text, level).unwrap(), code.size());
            }
        }
    }

    #[test]
    fn four_modules_around_a_code_are_light() {
        let code = encode(RAINMAKER, Level::M).unwrap();
        let svg = String::from_utf8(code.svg().as_ref().to_vec()).unwrap();
        assert!(svg.contains("viewBox=\"0 0 45 45\""));
        assert_eq!(code.size(), 37);
        let runs: Vec<Run> = code.runs().collect();
        assert_eq!(runs[0], Run { x: 0, y: 0, length: 7 });
        assert!(
            runs.iter()
                .all(|run| run.length > 0 && run.x + run.length <= 37 && run.y < 37)
        );
        assert!(svg.contains("M4 4h7v1h-7z"));
    }

    #[test]
    fn the_longest_texts_fit_and_longer_ones_are_refused() {
        for level in [Level::L, Level::M, Level::Q, Level::H] {
            let [digits, alphanumeric, bytes] = level.limits();
            for (char, limit) in [("7", digits), ("A", alphanumeric), ("x", bytes)] {
                let text = char.repeat(limit);
                let code = encode(&text, level).unwrap();
                assert_eq!((code.size(), modules(&text, level).unwrap()), (177, 177));
                let longer = char.repeat(limit + 1);
                assert!(matches!(encode(&longer, level), Err(CodeError::TooLong { limit: said, .. }) if said == limit));
                assert!(modules(&longer, level).is_err());
            }
        }
        let umlauts = |bytes: usize| format!("{}{}", "ü".repeat(bytes / 2), "x".repeat(bytes % 2));
        for level in [Level::L, Level::M, Level::Q, Level::H] {
            let most = level.limits()[2] - 1;
            assert_eq!(encode(&umlauts(most), level).unwrap().size(), 177);
            assert_eq!(
                encode(&umlauts(most + 1), level).unwrap_err(),
                CodeError::TooLong {
                    size: most + 1,
                    kind: "bytes",
                    level,
                    limit: most
                }
            );
        }
        assert_eq!(
            encode(&"x".repeat(2332), Level::M).unwrap_err().to_string(),
            "the text of the code has 2332 bytes; a QR code of the level M holds 2331 bytes"
        );
        assert_eq!(
            encode("", Level::M).unwrap_err().to_string(),
            "the text of the code is empty"
        );
        // No room is too small for a picture.
        assert!(encode(&"x".repeat(2331), Level::M).unwrap().png().is_ok());
    }
}

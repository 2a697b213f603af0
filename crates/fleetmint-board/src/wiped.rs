//! Memory for secrets, which is overwritten before it is freed.

use std::fmt;
use std::io::{self, Read, Write};

use zeroize::Zeroizing;

/// Bytes that hold a secret, perhaps among others: overwritten when dropped, and never printed.
///
/// The room is fixed when it is created. What does not fit is refused, because a vector that grows by itself leaves a
/// copy of the secret behind in memory. [`Wiped::enlarge`] moves the bytes to more room and overwrites the old.
///
/// As [`Zeroizing`], but at the speed of memory: an image and its answer are too large to be overwritten byte by byte.
pub struct Wiped {
    bytes: Vec<u8>,
    /// The vector may have more.
    capacity: usize,
}

/// What was written does not fit into the room of a [`Wiped`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it has more than {limit} bytes, the room that there is for it")]
pub struct Full {
    pub limit: usize,
}

impl From<Full> for io::Error {
    fn from(full: Full) -> Self {
        Self::new(io::ErrorKind::StorageFull, full)
    }
}

impl Wiped {
    /// Nothing yet, with room for so many bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(capacity),
            capacity,
        }
    }

    /// So many bytes of one value, without room for more.
    pub fn filled(byte: u8, size: usize) -> Self {
        Self {
            bytes: vec![byte; size],
            capacity: size,
        }
    }

    /// What a text in standard padded base64 stands for; `None` if it is not base64.
    pub fn from_base64(text: &[u8]) -> Option<Self> {
        let size = base64_simd::STANDARD.decoded_length(text).ok()?;
        let mut decoded = Self::filled(0, size);
        let out = base64_simd::Out::from_slice(&mut decoded.bytes);
        base64_simd::STANDARD.decode(text, out).ok()?;
        Some(decoded)
    }

    /// Reads a source to its end, or until it has given `most` bytes. `expected` is how many it seems to have; another
    /// number only costs time.
    ///
    /// # Errors
    /// The source's.
    pub fn read(mut source: impl Read, expected: usize, most: usize) -> io::Result<Beginning> {
        /// For a pipe, which does not say how much it has.
        const ROOM_MIN: usize = 64 << 10;
        // Of a longer source one byte more, to see that it is longer.
        let all = most.saturating_add(1);
        let mut content = Self::filled(0, expected.saturating_add(1).max(ROOM_MIN).min(all));
        let mut filled = 0;
        while filled < all {
            if filled == content.len() {
                content.enlarge(filled.saturating_mul(2).min(all));
                content.bytes.resize(content.capacity, 0);
            }
            match source.read(content.bytes.get_mut(filled..).unwrap_or_default()) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        content.truncate(filled.min(most));
        Ok(Beginning {
            content,
            is_cut: filled > most,
        })
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// How many bytes there is room for in all.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Makes room for so many bytes in all.
    pub fn enlarge(&mut self, capacity: usize) {
        if capacity > self.capacity {
            let mut larger = Self::with_capacity(capacity);
            larger.bytes.extend_from_slice(&self.bytes);
            *self = larger;
        }
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// They do not fit; then none is added.
    pub fn push(&mut self, more: &[u8]) -> Result<(), Full> {
        self.expect_room(more.len())?;
        self.bytes.extend_from_slice(more);
        Ok(())
    }

    /// Adds bytes in standard padded base64.
    ///
    /// # Errors
    /// They do not fit; then none is added.
    pub fn push_base64(&mut self, more: &[u8]) -> Result<(), Full> {
        self.expect_room(base64_simd::STANDARD.encoded_length(more.len()))?;
        base64_simd::STANDARD.encode_append(more, &mut self.bytes);
        Ok(())
    }

    fn expect_room(&self, bytes: usize) -> Result<(), Full> {
        if bytes > self.capacity.saturating_sub(self.bytes.len()) {
            return Err(Full { limit: self.capacity });
        }
        Ok(())
    }

    /// Drops all but the first so many bytes.
    pub fn truncate(&mut self, size: usize) {
        wipe(self.bytes.get_mut(size..).unwrap_or_default());
        self.bytes.truncate(size);
    }

    /// The same bytes for those who take a vector. What it grows out of is not overwritten.
    pub fn into_zeroizing(mut self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(std::mem::take(&mut self.bytes))
    }

    /// The same bytes as a text; `None` if they are not UTF-8.
    pub fn into_text(mut self) -> Option<Zeroizing<String>> {
        match String::from_utf8(std::mem::take(&mut self.bytes)) {
            Ok(text) => Some(Zeroizing::new(text)),
            Err(error) => {
                wipe(&mut error.into_bytes());
                None
            }
        }
    }
}

/// A text that holds a secret, perhaps among others, and is written piece by piece. It grows by moving to more room and
/// overwriting the old.
#[derive(Default)]
pub struct WipedText(Zeroizing<String>);

impl fmt::Write for WipedText {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        let needed = self.0.len().saturating_add(more.len());
        if needed > self.0.capacity() {
            let mut larger = Zeroizing::new(String::with_capacity(needed.max(self.0.len().saturating_mul(2))));
            larger.push_str(&self.0);
            self.0 = larger;
        }
        self.0.push_str(more);
        Ok(())
    }
}

impl std::ops::Deref for WipedText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<String> for WipedText {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for WipedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} bytes]", self.0.len())
    }
}

/// What was read of a source.
#[derive(Debug)]
pub struct Beginning {
    pub content: Wiped,
    /// The source has more.
    pub is_cut: bool,
}

fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    zeroize::optimization_barrier(bytes);
}

/// Fails when there is no room for all that is written.
impl Write for Wiped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl AsMut<[u8]> for Wiped {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl From<Vec<u8>> for Wiped {
    fn from(bytes: Vec<u8>) -> Self {
        let capacity = bytes.capacity();
        Self { bytes, capacity }
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        wipe(&mut self.bytes);
    }
}

impl fmt::Debug for Wiped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} bytes]", self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_moves_and_refuses_what_does_not_fit() {
        let mut wiped = Wiped::with_capacity(256);
        let place = wiped.as_ref().as_ptr();
        for byte in 0..=255 {
            wiped.write_all(&[byte]).unwrap();
        }
        assert_eq!(wiped.as_ref(), (0..=255).collect::<Vec<u8>>());
        let error = wiped.write_all(b"x").unwrap_err().to_string();
        assert_eq!(error, "it has more than 256 bytes, the room that there is for it");
        assert_eq!(wiped.push(b"xy"), Err(Full { limit: 256 }));
        assert_eq!(wiped.push_base64(b"x"), Err(Full { limit: 256 }));
        assert_eq!((wiped.len(), wiped.as_ref().as_ptr()), (256, place));

        wiped.enlarge(255);
        assert_eq!(wiped.capacity(), 256);
        wiped.enlarge(300);
        wiped.push(b"x").unwrap();
        assert_eq!((wiped.capacity(), wiped.len(), wiped.as_ref()[255]), (300, 257, 255));
        assert_eq!(Wiped::with_capacity(0).push(b"x"), Err(Full { limit: 0 }));
        Wiped::with_capacity(0).push(b"").unwrap();
    }

    /// Returns bytes piece by piece, and stores the sizes that it was asked for.
    struct Pipe {
        bytes: Vec<u8>,
        given: usize,
        piece: usize,
        asked: Vec<usize>,
    }

    impl Read for Pipe {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.asked.push(buffer.len());
            let count = self.piece.min(buffer.len()).min(self.bytes.len() - self.given);
            buffer[..count].copy_from_slice(&self.bytes[self.given..self.given + count]);
            self.given += count;
            Ok(count)
        }
    }

    fn pipe(length: usize, piece: usize) -> Pipe {
        Pipe {
            bytes: (0..length).map(|number| (number % 251) as u8).collect(),
            given: 0,
            piece,
            asked: Vec::new(),
        }
    }

    #[test]
    fn all_of_a_source_is_read_in_pieces_of_any_size() {
        for length in [0, 1, 32, 4096, 65_535, 65_536, 65_537, 200_000] {
            for (size, piece) in [(0, 4096), (length, usize::MAX), (length / 2, 1000)] {
                let mut pipe = pipe(length, piece);
                let beginning = Wiped::read(&mut pipe, size, 200_000).unwrap();
                assert!(
                    beginning.content.as_ref() == pipe.bytes && !beginning.is_cut,
                    "{length} {size}"
                );
            }
        }
    }

    /// No buffer is larger than the limit, and none is given to code that would let it grow.
    #[test]
    fn no_more_than_the_limit_is_read_and_room_is_made_for() {
        for most in [0, 31, 4096, 65_536, 100_000] {
            let mut pipe = pipe(300_000, 4096);
            let beginning = Wiped::read(&mut pipe, 300_000, most).unwrap();
            assert!(beginning.is_cut);
            assert_eq!(*beginning.content.as_ref(), pipe.bytes[..most]);
            assert!(beginning.content.capacity() <= most + 1);
            assert!(pipe.given <= most + 1 && pipe.asked.iter().all(|asked| *asked <= most + 1));
        }
        let mut whole = pipe(4096, 4096);
        assert!(!Wiped::read(&mut whole, 0, 4096).unwrap().is_cut);
    }

    #[test]
    fn base64_is_read_and_written() {
        let bytes: Vec<u8> = (0..100).collect();
        for size in 0..bytes.len() {
            let mut text = Wiped::with_capacity(size.div_ceil(3) * 4);
            text.push_base64(&bytes[..size]).unwrap();
            assert_eq!(text.len(), text.capacity());
            assert_eq!(Wiped::from_base64(text.as_ref()).unwrap().as_ref(), &bytes[..size]);
        }
        for wrong in ["a", "ab", "ab=", "ab==c", "a\nbc", "!!!!"] {
            assert!(Wiped::from_base64(wrong.as_bytes()).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_text_grows_and_is_not_printed() {
        use fmt::Write as _;
        let (mut text, mut plain) = (WipedText::default(), String::new());
        for number in 0..300 {
            write!(text, "{number}ä{}", "x".repeat(number)).unwrap();
            write!(plain, "{number}ä{}", "x".repeat(number)).unwrap();
            assert_eq!(*text, *plain);
        }
        assert_eq!(format!("{:?}", WipedText::from("secret".to_owned())), "[6 bytes]");
    }

    #[test]
    fn a_text_is_taken_out_of_it_and_none_is_printed() {
        let of = |bytes: &[u8]| {
            let mut wiped = Wiped::with_capacity(bytes.len());
            wiped.push(bytes).unwrap();
            wiped
        };
        assert_eq!(*of("grüße".as_bytes()).into_text().unwrap(), "grüße");
        assert!(of(b"\xFF").into_text().is_none());
        assert_eq!(*of(b"\xFF").into_zeroizing(), b"\xFF");
        assert_eq!(format!("{:?}", of(b"secret")), "[6 bytes]");
        let mut cut = of(b"secret");
        cut.truncate(3);
        cut.truncate(4);
        assert_eq!(cut.as_ref(), b"sec");
    }
}

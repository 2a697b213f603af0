//! The power fails after any number of words: each entry then has its old or its new value, unless ESP-IDF's library
//! itself loses it: then exactly that is lost.

use crate::history::{Call, Content, Model, call, calls, cipher, config, contents, key, namespace, of_model};
use crate::lost::loses_blob;
use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash};
use fleetmint_nvs::crypt::Xts;
use fleetmint_nvs::layout::PAGE_SIZE;
use fleetmint_nvs::storage::{Flash, Mode, SliceFlash, Storage};
use fleetmint_nvs::{Error, RawName};
use proptest::prelude::*;

/// A flash whose power fails after this many words; an erase is one step.
struct CutFlash {
    bytes: Vec<u8>,
    words: usize,
}

impl ErrorType for CutFlash {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for CutFlash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        bytes.copy_from_slice(&self.bytes[offset as usize..][..bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

impl NorFlash for CutFlash {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = PAGE_SIZE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        self.words = self.words.checked_sub(1).ok_or(NorFlashErrorKind::Other)?;
        self.bytes[from as usize..to as usize].fill(0xFF);
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        for (at, word) in (offset as usize..).step_by(4).zip(bytes.chunks(4)) {
            self.words = self.words.checked_sub(1).ok_or(NorFlashErrorKind::Other)?;
            for (to, from) in self.bytes[at..].iter_mut().zip(word) {
                *to &= *from;
            }
        }
        Ok(())
    }
}

impl Flash for CutFlash {}

struct Cut<'a> {
    before: &'a Model,
    call: &'a Call,
    after: &'a Model,
    cipher: Option<Xts>,
}

impl Cut<'_> {
    /// Checks the result of a start after the power failure.
    fn judge(&self, image: &[u8], words: usize) {
        let mut repaired = image.to_vec();
        let mut storage = Storage::open(SliceFlash::new(&mut repaired), Mode::ReadWrite, self.cipher.clone()).unwrap();
        let found = contents(&storage.list().unwrap());
        let spaces: Vec<_> = storage.namespaces().collect();
        drop(storage);
        let of = |name: (u8, u8)| {
            found
                .iter()
                .filter(|(one, _)| *one == name)
                .map(|(_, content)| content)
                .collect::<Vec<_>>()
        };
        let names = self
            .before
            .keys()
            .chain(self.after.keys())
            .chain(found.iter().map(|(name, _)| name));
        for name in names {
            let (old, new) = (self.before.get(name), self.after.get(name));
            let got = of(*name);
            let said = format!("{name:?} after {words} words of {:?}: {got:?}, was {old:?}", self.call);
            match got[..] {
                [] if old.is_none() || new.is_none() => {}
                [] => assert!(self.is_lost(image, &spaces, *name), "{said}"),
                [one] if Some(one) == old && !self.call.names(*name) => {}
                [one] => {
                    assert!(
                        self.call.names(*name) && (Some(one) == old || Some(one) == new),
                        "{said}"
                    );
                    assert!(!self.is_lost(image, &spaces, *name), "the library loses this: {said}");
                }
                // A change of type, interrupted before the old value was erased: both exist.
                [one, two] => {
                    let both = [one, two].contains(&old.unwrap()) && [one, two].contains(&new.unwrap());
                    assert!(both && kind(old.unwrap()) != kind(new.unwrap()), "{said}");
                }
                _ => panic!("{said}"),
            }
        }
    }

    fn is_lost(&self, image: &[u8], spaces: &[(RawName, u8)], name: (u8, u8)) -> bool {
        let blob = |model: &Model| matches!(model.get(&name), Some(Content::Blob(_)));
        if !(blob(self.before) && blob(self.after)) {
            return false;
        }
        let space = spaces
            .iter()
            .find(|(space, _)| space.as_bytes() == namespace(name.0).as_bytes());
        loses_blob(image, self.cipher.as_ref(), space.unwrap().1, key(name.1).raw())
    }
}

fn kind(content: &Content) -> u8 {
    match content {
        Content::Number(number) => number.item_type().byte(),
        Content::Text(_) => 0,
        Content::Blob(_) => 1,
    }
}

/// Makes a call with power for this many words. Returns whether it was enough.
fn cut(image: &[u8], cipher: Option<&Xts>, call: &Call, words: usize) -> (Vec<u8>, Result<usize, Error>) {
    let mut flash = CutFlash {
        bytes: image.to_vec(),
        words,
    };
    let made =
        Storage::open(&mut flash, Mode::ReadWrite, cipher.cloned()).and_then(|mut storage| call.make(&mut storage));
    let left = flash.words;
    (flash.bytes, made.map(|()| words - left))
}

fn cut_everywhere(history: &[Call], last: &Call, pages: usize, encrypted: bool) {
    let mut image = vec![0xFF; pages * PAGE_SIZE];
    let cipher = cipher(encrypted);
    let mut before = Model::new();
    let mut storage = Storage::open(SliceFlash::new(&mut image), Mode::ReadWrite, cipher.clone()).unwrap();
    for call in history {
        match call.make(&mut storage) {
            Ok(()) => call.apply(&mut before),
            Err(Error::NotEnoughSpace { .. } | Error::ValueTooLong { .. }) => return,
            Err(error) => panic!("{call:?}: {error}"),
        }
    }
    drop(storage);
    let (_, Ok(words)) = cut(&image, cipher.as_ref(), last, usize::MAX) else {
        return;
    };
    let mut after = before.clone();
    last.apply(&mut after);
    let judge = Cut {
        before: &before,
        call: last,
        after: &after,
        cipher,
    };
    // All of them if there are few, else those at the ends and some between.
    let step = (words / 150).max(1);
    let points = (0..words.min(40))
        .chain((0..words).step_by(step))
        .chain(words.saturating_sub(40)..=words);
    for point in points {
        let (cut_image, made) = cut(&image, judge.cipher.as_ref(), last, point);
        assert_eq!(made.is_ok(), point >= words, "{point} of {words} words of {last:?}");
        judge.judge(&cut_image, point);
    }
    let (whole, _) = cut(&image, judge.cipher.as_ref(), last, words);
    let mut whole = whole;
    let mut storage = Storage::open(SliceFlash::new(&mut whole), Mode::ReadWrite, judge.cipher.clone()).unwrap();
    assert_eq!(contents(&storage.list().unwrap()), of_model(&after));
}

proptest! {
    #![proptest_config(config(40))]

    #[test]
    fn old_or_new_wherever_the_power_fails(
        pages in 3..6usize,
        encrypted in prop::bool::weighted(0.2),
        history in calls(5000, 40),
        last in call(5000),
    ) {
        cut_everywhere(&history, &last, pages, encrypted);
    }

    #[test]
    fn old_or_new_while_pages_are_moved(
        rounds in 20..90usize,
        texts in prop::collection::vec((0..7u8, 1..12usize), 7),
        last in call(300),
    ) {
        // Few keys, changed so often that a page is being moved every other time.
        let history: Vec<_> = (0..rounds)
            .map(|round| {
                let (key, size) = texts[round % texts.len()];
                Call::Text(key % 3, key, format!("{round:03}").repeat(size * 6))
            })
            .collect();
        cut_everywhere(&history, &last, 3, false);
    }
}

/// The known loss of the library: a one-chunk blob replaced on its own page.
#[test]
fn the_librarys_own_loss_is_reproduced() {
    let history = [Call::Blob(0, 0, vec![1; 40]), Call::Number(0, 1, 5)];
    let last = Call::Blob(0, 0, vec![2; 40]);
    cut_everywhere(&history, &last, 3, false);
    let mut image = vec![0xFF; 3 * PAGE_SIZE];
    let mut storage = Storage::open(SliceFlash::new(&mut image), Mode::ReadWrite, None).unwrap();
    history.iter().for_each(|call| call.make(&mut storage).unwrap());
    drop(storage);
    let (_, words) = cut(&image, None, &last, usize::MAX);
    let lost = (0..words.unwrap()).filter(|words| {
        let (mut bytes, _) = cut(&image, None, &last, *words);
        let mut storage = Storage::open(SliceFlash::new(&mut bytes), Mode::ReadWrite, None).unwrap();
        !storage.list().unwrap().iter().any(|one| one.key == key(0).raw())
    });
    assert_eq!(lost.count(), 1);
}

//! Secrets at rest: sealed with an AEAD under the master key.
//!
//! ```text
//! offset  0         1        5         17                     end-16
//!         ┌─────────┬────────┬─────────┬──────────────────────┬────────┐
//!         │ version │ key id │  nonce  │ ciphertext           │  tag   │
//!         │ 1 byte  │ 4      │ 12      │ as long as the secret│ 16     │
//!         └─────────┴────────┴─────────┴──────────────────────┴────────┘
//! ```
//!
//! AES-256-GCM with a random nonce for each sealing (safe for 2^32 of them under one key, NIST SP 800-38D). The
//! associated data names table, row and column: a value that was sealed for one place does not open at another.
//!
//! A [`Seal`] may have several master keys, so that one can replace another: the first seals, and the key id in a
//! sealed secret chooses the one that opens it.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::{digest, hkdf, hmac};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::random::Random;

/// The layout above.
const VERSION: u8 = 1;
const KEY_ID_LEN: usize = 4;
const HEAD_LEN: usize = 1 + KEY_ID_LEN + NONCE_LEN;
/// How many bytes sealing adds to a secret.
pub const OVERHEAD: usize = HEAD_LEN + 16;

/// The key that every secret at rest is sealed with.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// Reads standard padded base64 of 32 bytes.
    ///
    /// # Errors
    /// It is anything else.
    pub fn from_base64(text: &str) -> Result<Self, NoKey> {
        // A little more than a key, so that the text of a longer key fits and is refused by its length.
        let mut bytes = Zeroizing::new([0; 48]);
        match STANDARD.decode_slice(text, bytes.as_mut()) {
            Ok(32) => {
                let mut key = Zeroizing::new([0; 32]);
                for (to, from) in key.iter_mut().zip(bytes.iter()) {
                    *to = *from;
                }
                Ok(Self(key))
            }
            _ => Err(NoKey),
        }
    }

    /// A new random key.
    pub fn generate(random: &dyn Random) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        random.fill(key.as_mut());
        Self(key)
    }

    /// The text that [`MasterKey::from_base64`] reads.
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.0.as_ref()))
    }

    /// The origin of all keys that are derived from this one, by HKDF (RFC 5869).
    fn derivation(&self) -> hkdf::Prk {
        hkdf::Salt::new(hkdf::HKDF_SHA256, b"fleetmint").extract(self.0.as_ref())
    }

    /// Identifies the key in sealed values, and reveals nothing about it.
    fn id(&self) -> KeyId {
        let tag = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, self.0.as_ref()),
            b"fleetmint master key id",
        );
        KeyId(tag.as_ref().first_chunk().copied().unwrap_or_default())
    }
}

/// The id of a master key in sealed values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyId([u8; KEY_ID_LEN]);

impl std::fmt::Display for KeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A text that is not a master key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be standard base64 of 32 bytes (44 characters), such as `openssl rand -base64 32` prints")]
pub struct NoKey;

/// The place where a sealed secret is stored: a value that is sealed for one place does not open at another.
#[derive(Clone, Copy, Debug)]
pub struct SealedAt<'a> {
    pub table: &'static str,
    /// A name of the row that is known before the row is written: a model's code, a device's key, a secret's id.
    pub row: &'a str,
    pub column: &'static str,
}

impl SealedAt<'_> {
    /// Lengths come first, so that no two places have the same bytes.
    fn associated_data(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(12 + self.table.len() + self.row.len() + self.column.len());
        for part in [self.table, self.row, self.column] {
            bytes.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes
    }
}

/// Why a sealed secret does not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It was sealed under a master key that this [`Seal`] does not have.
    #[error("{place} was sealed under another master key (id {key_id})")]
    UnknownKey { place: String, key_id: KeyId },
    /// It was changed, cut, moved here from another place, or written by a later version.
    #[error("{place} is damaged: it does not open at this place under this master key")]
    Damaged { place: String },
}

/// Seals secrets under a master key, and opens them under this and older ones. Cloning is cheap.
#[derive(Clone)]
pub struct Seal(Arc<Inner>);

struct Inner {
    /// Seals, and makes the digests.
    newest: SealKey,
    /// These only open what they sealed, and check the digests that they made.
    older: Vec<SealKey>,
    random: Arc<dyn Random>,
}

/// The keys that are derived from one master key.
struct SealKey {
    id: KeyId,
    cipher: LessSafeKey,
    /// For digests that nobody without the master key can make or check.
    digest_key: hmac::Key,
    derivation: hkdf::Prk,
}

impl SealKey {
    fn of(master_key: &MasterKey) -> Self {
        #[expect(
            clippy::expect_used,
            reason = "AES-256 takes every key of 32 bytes, which is what a MasterKey is"
        )]
        let cipher = UnboundKey::new(&AES_256_GCM, master_key.0.as_ref()).expect("a key of 32 bytes");
        let derivation = master_key.derivation();
        Self {
            id: master_key.id(),
            cipher: LessSafeKey::new(cipher),
            digest_key: hmac::Key::new(hmac::HMAC_SHA256, derived(&derivation, "keyed digest").as_ref()),
            derivation,
        }
    }

    /// Takes the parts one after another: `bytes` may be a secret, which is not copied.
    fn digest(&self, purpose: &str, bytes: &[u8]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.digest_key);
        context.update(&(purpose.len() as u64).to_be_bytes());
        context.update(purpose.as_bytes());
        context.update(bytes);
        context.sign().as_ref().first_chunk().copied().unwrap_or_default()
    }
}

/// A key for one purpose, derived from a master key by HKDF.
fn derived(derivation: &hkdf::Prk, purpose: &str) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    #[expect(
        clippy::expect_used,
        reason = "HKDF-SHA256 gives up to 255 times the 32 bytes of this key"
    )]
    derivation
        .expand(&[purpose.as_bytes()], hmac::HMAC_SHA256)
        .and_then(|derived| derived.fill(key.as_mut()))
        .expect("a key of 32 bytes");
    key
}

/// The digests of one text under each master key.
#[derive(Clone, Debug)]
pub struct KeyedDigests {
    newest: [u8; 32],
    older: Vec<[u8; 32]>,
}

impl KeyedDigests {
    /// The digest to store.
    pub fn newest(&self) -> &[u8; 32] {
        &self.newest
    }

    /// Whether a stored digest is of this text, under any of the master keys.
    pub fn contain(&self, digest: &[u8]) -> bool {
        std::iter::once(&self.newest)
            .chain(&self.older)
            .any(|own| own.ct_eq(digest).into())
    }
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seal").finish_non_exhaustive()
    }
}

impl Seal {
    /// A seal with one master key.
    pub fn new(master_key: &MasterKey, random: Arc<dyn Random>) -> Self {
        Self::with_older_keys(master_key, &[], random)
    }

    /// A seal that also opens values sealed under older master keys.
    pub fn with_older_keys(newest: &MasterKey, older: &[MasterKey], random: Arc<dyn Random>) -> Self {
        Self(Arc::new(Inner {
            newest: SealKey::of(newest),
            older: older.iter().map(SealKey::of).collect(),
            random,
        }))
    }

    fn keys(&self) -> impl Iterator<Item = &SealKey> {
        std::iter::once(&self.0.newest).chain(&self.0.older)
    }

    /// The digests under each master key of a text, to compare with a digest that is read later, when the text is gone.
    pub fn keyed_digests(&self, purpose: &str, bytes: &[u8]) -> KeyedDigests {
        let of = |key: &SealKey| key.digest(purpose, bytes);
        KeyedDigests {
            newest: of(&self.0.newest),
            older: self.0.older.iter().map(of).collect(),
        }
    }

    /// A digest under the newest master key: it shows whether a text is the same as before, and guesses cannot be tested
    /// against it by somebody who has only the database. `purpose` separates digests of different things.
    pub fn keyed_digest(&self, purpose: &str, bytes: &[u8]) -> [u8; 32] {
        self.0.newest.digest(purpose, bytes)
    }

    /// Whether this is the digest of these bytes, under any of the master keys.
    pub fn is_keyed_digest(&self, purpose: &str, bytes: &[u8], digest: &[u8]) -> bool {
        self.keys().any(|key| key.digest(purpose, bytes).ct_eq(digest).into())
    }

    /// A key that is given away: the same for each start with this newest master key, and of no use for anything else.
    pub fn derived_key(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        derived(&self.0.newest.derivation, purpose)
    }

    /// Seals a secret for one place.
    pub fn seal(&self, place: SealedAt<'_>, secret: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        self.0.random.fill(&mut nonce);
        let mut secret = Zeroizing::new(secret.to_vec());
        #[expect(
            clippy::expect_used,
            reason = "only 64 GiB and more are refused, which no secret here reaches"
        )]
        let tag = self
            .0
            .newest
            .cipher
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place.associated_data()),
                &mut secret,
            )
            .expect("less than 64 GiB");
        let mut sealed = Vec::with_capacity(secret.len() + OVERHEAD);
        sealed.push(VERSION);
        sealed.extend_from_slice(&self.0.newest.id.0);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&secret);
        sealed.extend_from_slice(tag.as_ref());
        sealed
    }

    /// Opens a value that was sealed for this place.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(&self, place: SealedAt<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let named = || format!("{}.{} of {}", place.table, place.column, place.row);
        let damaged = || OpenError::Damaged { place: named() };
        let (version, rest) = sealed.split_first().ok_or_else(damaged)?;
        let (key_id, rest) = rest.split_first_chunk::<KEY_ID_LEN>().ok_or_else(damaged)?;
        let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>().ok_or_else(damaged)?;
        if *version != VERSION {
            return Err(damaged());
        }
        let key_id = KeyId(*key_id);
        let key = self
            .keys()
            .find(|key| key.id == key_id)
            .ok_or_else(|| OpenError::UnknownKey { place: named(), key_id })?;
        let mut body = Zeroizing::new(body.to_vec());
        let length = key
            .cipher
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(place.associated_data()),
                &mut body,
            )
            .map_err(|_| damaged())?
            .len();
        body.truncate(length);
        Ok(body)
    }
}

/// SHA-256, for tokens that are only compared.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().zip(digest::digest(&digest::SHA256, bytes).as_ref()) {
        *to = *from;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;

    const PLACE: SealedAt<'_> = SealedAt {
        table: "client_secrets",
        row: "abc",
        column: "secret",
    };

    fn seal() -> Seal {
        let random = SystemRandom;
        Seal::new(&MasterKey::generate(&random), Arc::new(random))
    }

    #[test]
    fn a_sealed_value_opens_again() {
        let seal = seal();
        for length in [0, 1, 16, 43, 5000] {
            let secret = vec![b's'; length];
            let sealed = seal.seal(PLACE, &secret);
            assert_eq!(sealed.len(), length + OVERHEAD);
            assert_eq!(*seal.open(PLACE, &sealed).unwrap(), secret);
        }
    }

    #[test]
    fn the_same_secret_never_looks_the_same() {
        let seal = seal();
        assert_ne!(seal.seal(PLACE, b"secret"), seal.seal(PLACE, b"secret"));
    }

    #[test]
    fn a_keyed_digest_is_the_same_only_for_the_same_key_purpose_and_text() {
        let key = MasterKey::generate(&SystemRandom);
        let seal = || Seal::new(&key, Arc::new(SystemRandom));
        let digest = seal().keyed_digest("a", b"bc");
        assert_eq!(seal().keyed_digest("a", b"bc"), digest);
        assert!(seal().is_keyed_digest("a", b"bc", &digest));
        assert!(!seal().is_keyed_digest("a", b"b", &digest));
        assert!(!seal().is_keyed_digest("a", b"bc", &digest[1..]));
        assert_ne!(seal().keyed_digest("ab", b"c"), digest);
        assert_ne!(seal().keyed_digest("a", b"b"), digest);
        assert_ne!(self::seal().keyed_digest("a", b"bc"), digest);
    }

    #[test]
    fn a_sealed_value_opens_only_at_its_place() {
        let seal = seal();
        let sealed = seal.seal(PLACE, b"secret");
        let elsewhere = [
            SealedAt {
                table: "devices",
                ..PLACE
            },
            SealedAt { row: "abd", ..PLACE },
            SealedAt {
                column: "secre",
                ..PLACE
            },
            // The same bytes, divided differently.
            SealedAt {
                table: "client_secretsa",
                row: "bc",
                ..PLACE
            },
        ];
        for place in elsewhere {
            let error = seal.open(place, &sealed).unwrap_err();
            assert!(matches!(error, OpenError::Damaged { .. }), "{place:?}: {error}");
        }
    }

    #[test]
    fn every_changed_bit_and_every_cut_is_detected() {
        let seal = seal();
        let sealed = seal.seal(PLACE, b"secret");
        for at in 0..sealed.len() {
            for bit in 0..8 {
                let mut changed = sealed.clone();
                changed[at] ^= 1 << bit;
                assert!(seal.open(PLACE, &changed).is_err(), "byte {at}, bit {bit}");
            }
            assert!(seal.open(PLACE, &sealed[..at]).is_err(), "cut to {at}");
        }
    }

    #[test]
    fn another_key_is_distinguished_from_damage_and_named() {
        let key = MasterKey::generate(&SystemRandom);
        let sealed = Seal::new(&key, Arc::new(SystemRandom)).seal(PLACE, b"secret");
        let error = seal().open(PLACE, &sealed).unwrap_err();
        let id = u32::from_be_bytes(*sealed[1..].first_chunk().unwrap());
        assert_eq!(
            error.to_string(),
            format!("client_secrets.secret of abc was sealed under another master key (id {id:08x})")
        );
    }

    #[test]
    fn the_newest_key_seals_and_older_ones_open_what_they_sealed() {
        let keys: Vec<_> = (0..3).map(|_| MasterKey::generate(&SystemRandom)).collect();
        let [first, second, third] = keys.as_slice() else {
            panic!("three keys")
        };
        let alone = |key| Seal::new(key, Arc::new(SystemRandom));
        let both = Seal::with_older_keys(second, std::slice::from_ref(first), Arc::new(SystemRandom));

        let old = alone(first).seal(PLACE, b"old");
        assert_eq!(*both.open(PLACE, &old).unwrap(), b"old");
        let new = both.seal(PLACE, b"new");
        assert_eq!(*alone(second).open(PLACE, &new).unwrap(), b"new");
        let strange = alone(third).seal(PLACE, b"strange");
        assert!(matches!(both.open(PLACE, &strange), Err(OpenError::UnknownKey { .. })));
        assert!(matches!(
            alone(first).open(PLACE, &new),
            Err(OpenError::UnknownKey { .. })
        ));

        // The id chooses the key, and the key must be right as well.
        let mut renamed = old.clone();
        renamed[1..5].copy_from_slice(&new[1..5]);
        assert!(matches!(both.open(PLACE, &renamed), Err(OpenError::Damaged { .. })));

        let digest = alone(first).keyed_digest("p", b"text");
        assert!(both.is_keyed_digest("p", b"text", &digest));
        let digests = both.keyed_digests("p", b"text");
        assert!(digests.contain(&digest) && digests.contain(digests.newest()));
        assert_eq!(*digests.newest(), both.keyed_digest("p", b"text"));
        assert!(!both.keyed_digests("p", b"texts").contain(&digest));
        assert_eq!(
            both.keyed_digest("p", b"text"),
            alone(second).keyed_digest("p", b"text")
        );
        assert!(!alone(second).is_keyed_digest("p", b"text", &digest));
    }

    #[test]
    fn a_master_key_is_base64_of_32_bytes() {
        let key = MasterKey::generate(&SystemRandom);
        let again = MasterKey::from_base64(&key.to_base64()).unwrap();
        assert_eq!(key.0, again.0);
        assert_eq!(format!("{key:?}"), "[redacted]");
        for wrong in [
            "",
            "secret",
            &STANDARD.encode([0; 31]),
            &STANDARD.encode([0; 33]),
            &STANDARD.encode([0; 64]),
            &"!".repeat(44),
        ] {
            assert_eq!(MasterKey::from_base64(wrong).unwrap_err(), NoKey, "{wrong}");
        }
    }

    #[test]
    fn a_derived_key_is_the_same_only_for_the_same_master_key_and_purpose() {
        let random = Arc::new(SystemRandom);
        let [key, other] = [(); 2].map(|()| MasterKey::generate(&*random));
        let seal = |key: &MasterKey| Seal::new(key, random.clone());
        let derived = seal(&key).derived_key("a");
        assert_eq!(seal(&key).derived_key("a"), derived);
        assert_ne!(seal(&key).derived_key("b"), derived);
        assert_ne!(seal(&other).derived_key("a"), derived);
        let rotated = Seal::with_older_keys(&other, &[key], random.clone());
        assert_eq!(rotated.derived_key("a"), seal(&other).derived_key("a"));
    }

    /// Digests are stored: under one master key they are the same in every version.
    #[test]
    fn a_keyed_digest_is_that_of_earlier_versions() {
        let key = MasterKey::from_base64(&STANDARD.encode([7; 32])).unwrap();
        let digest = Seal::new(&key, Arc::new(SystemRandom)).keyed_digest("purpose", b"text");
        let earlier = hkdf::Salt::new(hkdf::HKDF_SHA256, b"fleetmint").extract(&[7; 32]);
        let earlier: hmac::Key = earlier.expand(&[b"keyed digest"], hmac::HMAC_SHA256).unwrap().into();
        assert_eq!(digest, *hmac::sign(&earlier, b"\0\0\0\0\0\0\0\x07purposetext").as_ref());
    }
}

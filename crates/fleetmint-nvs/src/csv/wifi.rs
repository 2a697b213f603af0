//! The Wi-Fi rows that Espressif's generator adds by itself: what the Wi-Fi library stores in the namespace `nvs.net80211`
//! beside an SSID and a password.
//!
//! | rows in the table | written along with them |
//! |---|---|
//! | the first `sta.ssid` or `sta.pswd` | after it `sta.apinfo` (140 × FF), `sta.pmk` (32 × 00), `sta.apsw` (2 × 00) |
//! | each of `ap.ssid`, `ap.passwd`, `ap.authmode` after which all three are set | before it `ap.pmk_info`: 100 × 00, then the key |
//!
//! The key is PBKDF2-HMAC-SHA1 of the password with the SSID as salt, 4096 rounds, 32 bytes, as WPA2 derives it from a
//! passphrase. An empty text and the mode `0` count as not set.

use super::encoding::Encoding;
use super::row::SourceRef;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use sha1::Sha1;
use zeroize::Zeroizing;

const ROUNDS: u32 = 4096;

/// What the rows so far have set.
#[derive(Default)]
pub(super) struct Wifi {
    sta_written: bool,
    ssid: RowText,
    password: RowText,
    authmode: RowText,
    last: Option<ApKey>,
}

/// The key of an access point, which is expensive, and what it was computed from.
struct ApKey {
    ssid: Zeroizing<String>,
    password: Zeroizing<String>,
    key: Zeroizing<[u8; 32]>,
}

impl ApKey {
    fn new(ssid: &str, password: &str) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        pbkdf2::pbkdf2_hmac::<Sha1>(password.as_bytes(), ssid.as_bytes(), ROUNDS, &mut *key);
        Self {
            ssid: Zeroizing::new(ssid.to_string()),
            password: Zeroizing::new(password.to_string()),
            key,
        }
    }
}

/// A value that `ap.pmk_info` is computed from.
#[derive(Default)]
enum RowText {
    #[default]
    Unset,
    Text(Zeroizing<String>),
    /// The row has a value, but its text is not what is stored.
    NotInRow,
}

/// The rows that are written along with a row.
pub(super) enum Along {
    Nothing,
    Before(&'static str, Zeroizing<Vec<u8>>),
    After([(&'static str, Vec<u8>); 3]),
    /// They can't be computed from the row's text.
    Unclear,
}

impl Wifi {
    /// The same for another image: no row has set anything. The last key stays, in case that it is the same there.
    pub(super) fn begun_again(self) -> Self {
        Self {
            last: self.last,
            ..Self::default()
        }
    }

    /// The rows that are written along with a row that sets this key.
    pub(super) fn along(&mut self, key: &str, encoding: Encoding, source: SourceRef<'_>) -> Along {
        match key {
            "sta.ssid" | "sta.pswd" if matches!(source, SourceRef::File(_)) => return Along::Unclear,
            "sta.ssid" | "sta.pswd" if self.sta_written => return Along::Nothing,
            "sta.ssid" | "sta.pswd" => {
                self.sta_written = true;
                let apinfo = ("sta.apinfo", vec![0xFF; 140]);
                return Along::After([apinfo, ("sta.pmk", vec![0; 32]), ("sta.apsw", vec![0; 2])]);
            }
            "ap.ssid" => self.ssid = known(encoding, source),
            "ap.passwd" => self.password = known(encoding, source),
            "ap.authmode" => match source {
                SourceRef::Text("0") => {}
                SourceRef::Text(mode) => self.authmode = text(mode),
                SourceRef::File(_) => self.authmode = RowText::NotInRow,
            },
            _ => return Along::Nothing,
        }
        match (&self.ssid, &self.password, &self.authmode) {
            (RowText::Unset, ..) | (_, RowText::Unset, _) | (.., RowText::Unset) => Along::Nothing,
            (RowText::Text(ssid), RowText::Text(password), RowText::Text(_)) => {
                let known = self.last.take();
                let known = known.filter(|known| known.ssid == *ssid && known.password == *password);
                let known = known.unwrap_or_else(|| ApKey::new(ssid, password));
                let mut info = Zeroizing::new(vec![0; 132]);
                if let Some(key) = info.last_chunk_mut::<32>() {
                    *key = *known.key;
                }
                self.last = Some(known);
                Along::Before("ap.pmk_info", info)
            }
            _ => Along::Unclear,
        }
    }
}

/// The keys of a table for which a generator computes others.
#[derive(Default)]
pub(super) struct Companions {
    begun: bool,
    ap: [bool; 3],
}

impl Companions {
    /// Whether this key is the first for which a generator would compute others.
    pub(super) fn begin_with(&mut self, key: &str) -> bool {
        let of_ap = ["ap.ssid", "ap.passwd", "ap.authmode"];
        for (seen, name) in self.ap.iter_mut().zip(of_ap) {
            *seen |= key == name;
        }
        let begins = !self.begun && (matches!(key, "sta.ssid" | "sta.pswd") || self.ap == [true; 3]);
        self.begun |= begins;
        begins
    }
}

fn text(text: &str) -> RowText {
    if text.is_empty() {
        RowText::Unset
    } else {
        RowText::Text(Zeroizing::new(text.to_string()))
    }
}

fn known(encoding: Encoding, source: SourceRef<'_>) -> RowText {
    let plain = matches!(
        encoding,
        Encoding::String | Encoding::Binary | Encoding::BlobFill { .. } | Encoding::BlobSizeFill { .. }
    );
    match source {
        SourceRef::Text(value) if plain => text(value),
        SourceRef::Text("") => RowText::Unset,
        _ => RowText::NotInRow,
    }
}

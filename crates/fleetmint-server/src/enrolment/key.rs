//! The names that a new device gets, and that never change.

use crate::random::Random;

/// The number of characters of a device key after its first letter.
const REST: usize = 7;

/// A device key: a letter and 7 of `[a-z0-9]`, each as likely as the others.
pub(super) fn new(random: &dyn Random) -> String {
    const DIGITS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut key = String::with_capacity(1 + REST);
    while key.len() <= REST {
        let choices = if key.is_empty() { 26 } else { 36 };
        let mut byte = [0];
        random.fill(&mut byte);
        let [byte] = byte.map(usize::from);
        // Bytes from the last whole multiple on are discarded: otherwise the first choices would be likelier.
        if byte < 256 / choices * choices {
            key.extend(DIGITS.get(byte % choices).copied().map(char::from));
        }
    }
    key
}

/// The prefix of the name of every device's client.
pub(super) const PREFIX: &str = "iotdevice-";

/// The name of a device's client at its identity provider.
pub(super) fn client_id(model_code: &str, key: &str) -> String {
    format!("{PREFIX}{model_code}-{key}")
}

/// The model's code and the device's key in the name of a client.
pub(super) fn parse_client_id(client_id: &str) -> Option<(&str, &str)> {
    let (code, key) = client_id.strip_prefix(PREFIX)?.rsplit_once('-')?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_key = key.len() == 1 + REST && key.starts_with(|first: char| first.is_ascii_lowercase());
    (is_key && key.bytes().all(plain) && !code.is_empty()).then_some((code, key))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Marsaglia's xorshift64 from a fixed seed.
    #[derive(Debug)]
    struct Xorshift(Mutex<u64>);

    impl Random for Xorshift {
        fn fill(&self, bytes: &mut [u8]) {
            let mut state = self.0.lock().unwrap();
            for byte in bytes {
                *state ^= *state << 13;
                *state ^= *state >> 7;
                *state ^= *state << 17;
                *byte = state.to_be_bytes()[0];
            }
        }
    }

    #[test]
    fn a_clients_name_is_split_into_model_and_key() {
        assert_eq!(
            parse_client_id(&client_id("temp_1", "a1b2c3d4")),
            Some(("temp_1", "a1b2c3d4"))
        );
        for wrong in [
            "iotdevice-m-1bcdefgh",
            "iotdevice-m-Abcdefgh",
            "iotdevice-m-abcdefg",
            "iotdevice-m-abcdefghi",
            "iotdevice-m-abcdef_h",
            "iotdevice--abcdefgh",
            "iotdevice-abcdefgh",
            "device-m-abcdefgh",
            "",
        ] {
            assert_eq!(parse_client_id(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_key_begins_with_a_letter_and_no_choice_is_likelier() {
        let random = Xorshift(Mutex::new(0x9E37_79B9_7F4A_7C15));
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..20_000 {
            let key = new(&random);
            assert_eq!(key.len(), 8);
            assert!(key.starts_with(|first: char| first.is_ascii_lowercase()));
            for character in key.chars().skip(1) {
                assert!(character.is_ascii_lowercase() || character.is_ascii_digit());
                *counts.entry(character).or_insert(0_u32) += 1;
            }
        }
        assert_eq!(counts.len(), 36);
        let (least, most) = (counts.values().min().unwrap(), counts.values().max().unwrap());
        assert!((most - least) * 10 < *most, "{counts:?}");
    }
}

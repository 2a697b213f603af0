//! A value, or why the firmware cannot read it.

use std::borrow::Cow;
use std::fmt;

use fleetmint_nvs::EspError;
use fleetmint_nvs::entry::Number;
use fleetmint_nvs::storage::Value;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

/// A value as the firmware's getter gives it: `value`, or `value_hex` for a string that is not UTF-8, or the getter's
/// `error`. A float or a double also has its `bits`. It may hold a secret, which `Debug` does not show.
#[derive(Clone, Default, Serialize)]
pub struct ValueReport<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Json<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_hex: Option<Hex<&'a [u8]>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bits: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
}

/// A value in JSON. A number has the digits that it has in every other output.
#[derive(Clone, Serialize)]
#[serde(untagged)]
enum Json<'a> {
    Text(Cow<'a, str>),
    Hex(Hex<&'a [u8]>),
    Number(Box<RawValue>),
}

/// Bytes in hexadecimal. The text is made as it is written, because the bytes may be a secret.
#[derive(Clone)]
pub struct Hex<B>(pub B);

impl<B: AsRef<[u8]>> fmt::Debug for Hex<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hex({} bytes)", self.0.as_ref().len())
    }
}

impl<B: AsRef<[u8]>> fmt::Display for Hex<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = Zeroizing::new([0; 256]);
        for part in self.0.as_ref().chunks(digits.len() / 2) {
            let digits = digits.get_mut(..2 * part.len()).unwrap_or_default();
            hex::encode_to_slice(part, digits).map_err(|_| fmt::Error)?;
            f.write_str(std::str::from_utf8(digits).map_err(|_| fmt::Error)?)?;
        }
        Ok(())
    }
}

impl<B: AsRef<[u8]>> Serialize for Hex<B> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Debug for ValueReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValueReport").finish_non_exhaustive()
    }
}

impl<'a> From<&'a Result<Value, EspError>> for ValueReport<'a> {
    fn from(value: &'a Result<Value, EspError>) -> Self {
        match value {
            Ok(Value::Number(number)) => Self::from(*number),
            Ok(Value::Str(bytes)) => match std::str::from_utf8(bytes) {
                Ok(text) => Self::of(Json::Text(text.into())),
                Err(_) => Self {
                    value_hex: Some(Hex(bytes)),
                    ..Self::default()
                },
            },
            Ok(Value::Blob(bytes)) => Self::of(Json::Hex(Hex(bytes))),
            Err(error) => Self {
                error: Some(error.name()),
                ..Self::default()
            },
        }
    }
}

impl<'a> ValueReport<'a> {
    fn of(value: Json<'a>) -> Self {
        Self {
            value: Some(value),
            ..Self::default()
        }
    }
}

impl From<Number> for ValueReport<'_> {
    fn from(number: Number) -> Self {
        let bits = match number {
            Number::Float(n) => Some(format!("{:08x}", n.to_bits())),
            Number::Double(n) => Some(format!("{:016x}", n.to_bits())),
            _ => None,
        };
        let text = number.to_string();
        // JSON has no infinities and no NaN: these are texts.
        let value = RawValue::from_string(text.clone()).map_or_else(|_| Json::Text(text.into()), Json::Number);
        Self {
            bits,
            ..Self::of(value)
        }
    }
}

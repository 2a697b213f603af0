//! Reads a JSON body, and reports which member is wrong and what is wrong with it.
//!
//! serde's errors are texts, which may contain the sent value, and that may be a secret. So everything here goes
//! through [`Traced`], whose error is [`Failure`]: it keeps what serde reports as typed errors (a field is missing,
//! unknown, duplicate, of another type), and adds the path while the error passes objects on the way up. serde_json
//! only lets its own error type through, so the failure is stored in a [`Slot`] in the meantime.

use std::cell::RefCell;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    Deserialize, DeserializeOwned, DeserializeSeed, Deserializer, Error as _, Expected, IntoDeserializer as _,
    MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;

/// Why a body cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Error {
    /// It is not JSON: line and column of the error, counted from 1, if they are known.
    Json(Option<(usize, usize)>),
    /// A value is wrong or missing.
    Value(Wrong),
}

/// What is wrong with a value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// The names of the members that lead to it, the innermost first.
    path: Vec<String>,
    pub(super) what: What,
}

/// What is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum What {
    Missing(&'static str),
    /// An unknown member, with the name that the caller gave.
    Unknown(String),
    Repeated(&'static str),
    /// The expected value in JSON's words, such as `a string`.
    Other(String),
}

impl Wrong {
    /// A JSON pointer to the value, or to where it should be.
    pub(super) fn pointer(&self) -> String {
        let own = match &self.what {
            What::Missing(name) | What::Repeated(name) => Some(*name),
            What::Unknown(name) => Some(name.as_str()),
            What::Other(_) => None,
        };
        let mut pointer = String::new();
        for name in self.path.iter().rev().map(String::as_str).chain(own) {
            pointer.push('/');
            pointer += &name.replace('~', "~0").replace('/', "~1");
        }
        pointer
    }
}

/// Reads a value from a JSON text that contains nothing else.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let slot = Slot::default();
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let traced = Traced {
        inner: &mut json,
        slot: &slot,
    };
    let failure = match T::deserialize(traced) {
        Ok(value) if json.end().is_ok() => return Ok(value),
        Ok(_) => Failure::Json,
        Err(failure) => failure,
    };
    // A wrong value may come before the place where the text stops being JSON.
    match (serde_json::from_slice::<AnyJson>(bytes), failure) {
        (Err(error), _) => Err(Error::Json(Some((error.line(), error.column())))),
        (Ok(AnyJson), Failure::Value(wrong)) => Err(Error::Value(*wrong)),
        (Ok(AnyJson), Failure::Json) => Err(Error::Json(None)),
    }
}

/// Any JSON value, checked and forgotten. `IgnoredAny` would accept texts that are no Unicode and numbers out of range.
struct AnyJson;

impl<'de> Deserialize<'de> for AnyJson {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for AnyJson {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        while members.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Self, A::Error> {
        while values.next_element::<Self>()?.is_some() {}
        Ok(self)
    }
}

/// Stores the failure while an error without it passes serde_json.
type Slot = RefCell<Option<Box<Wrong>>>;

/// An error on its way up.
#[derive(Debug)]
enum Failure {
    Json,
    Value(Box<Wrong>),
}

impl Failure {
    fn new(what: What) -> Self {
        let path = Vec::new();
        Self::Value(Box::new(Wrong { path, what }))
    }

    /// It came from inside this member.
    fn inside(mut self, member: String) -> Self {
        if let Self::Value(wrong) = &mut self {
            wrong.path.push(member);
        }
        self
    }

    /// Converts it into an error of the parser, and stores it meanwhile.
    fn wait<E: serde::de::Error>(self, slot: &Slot) -> E {
        if let Self::Value(wrong) = self {
            *slot.borrow_mut() = Some(wrong);
        }
        E::custom("")
    }

    /// The failure that was stored for an error of the parser; if there is none, the text is not JSON.
    fn waited(slot: &Slot) -> Self {
        slot.borrow_mut().take().map_or(Self::Json, Self::Value)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value cannot be read")
    }
}

impl std::error::Error for Failure {}

impl serde::de::Error for Failure {
    /// The error text of another crate's type may contain the value.
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::new(What::Other("another type".to_owned()))
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = expected.to_string();
        let in_words = match integer(&expected) {
            Some(_) => "an integer",
            None if matches!(expected.as_str(), "f32" | "f64") => "a number",
            None if expected.starts_with("struct ") => "an object",
            None => return Self::new(What::Other(expected)),
        };
        Self::new(What::Other(in_words.to_owned()))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = expected.to_string();
        // It is an integer, but too large or too small.
        Self::new(What::Other(match integer(&expected) {
            Some((sign, bits)) => format!("{sign} {bits}-bit integer"),
            None => expected,
        }))
    }

    fn invalid_length(_: usize, expected: &dyn Expected) -> Self {
        Self::new(What::Other(expected.to_string()))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new(What::Other(format!("one of {}", expected.join(", "))))
    }

    fn unknown_field(field: &str, _: &'static [&'static str]) -> Self {
        Self::new(What::Unknown(field.to_owned()))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(What::Missing(field))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(What::Repeated(field))
    }
}

/// The sign and the bits of an integer that serde calls by its name in Rust, which says nothing to the caller: `i64`.
fn integer(expected: &str) -> Option<(&'static str, u8)> {
    let (sign, bits) = match expected.strip_prefix('i') {
        Some(bits) => ("a signed", bits),
        None => ("an unsigned", expected.strip_prefix('u')?),
    };
    Some((sign, bits.parse().ok()?))
}

/// A deserializer, a visitor or an object's members, whose errors are [`Failure`]s.
struct Traced<'s, T> {
    inner: T,
    slot: &'s Slot,
}

impl<'s, T> Traced<'s, T> {
    fn around<U>(&self, inner: U) -> Traced<'s, U> {
        Traced { inner, slot: self.slot }
    }
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Traced<'_, D> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let visitor = self.around(visitor);
        self.inner
            .deserialize_any(visitor)
            .map_err(|_| Failure::waited(self.slot))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let visitor = self.around(visitor);
        self.inner
            .deserialize_option(visitor)
            .map_err(|_| Failure::waited(self.slot))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self)
    }

    /// Only for variants without a value, which are texts; the interface has no others.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_enum(String::deserialize(self)?.into_deserializer())
    }

    // JSON is self-describing.
    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Traced<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<V::Value, E> {
        self.inner
            .visit_bool(value)
            .map_err(|error: Failure| error.wait(self.slot))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<V::Value, E> {
        self.inner
            .visit_i64(value)
            .map_err(|error: Failure| error.wait(self.slot))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<V::Value, E> {
        self.inner
            .visit_u64(value)
            .map_err(|error: Failure| error.wait(self.slot))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<V::Value, E> {
        self.inner
            .visit_f64(value)
            .map_err(|error: Failure| error.wait(self.slot))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<V::Value, E> {
        self.inner
            .visit_str(value)
            .map_err(|error: Failure| error.wait(self.slot))
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, value: &'de str) -> Result<V::Value, E> {
        self.inner
            .visit_borrowed_str(value)
            .map_err(|error: Failure| error.wait(self.slot))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit().map_err(|error: Failure| error.wait(self.slot))
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none().map_err(|error: Failure| error.wait(self.slot))
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let inner = self.around(inner);
        self.inner.visit_some(inner).map_err(|error| error.wait(self.slot))
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<V::Value, A::Error> {
        let members = Members {
            members: self.around(members),
            current: String::new(),
        };
        self.inner.visit_map(members).map_err(|error| error.wait(self.slot))
    }

    /// No body of the interface contains an array, and serde would accept one as the members of a struct.
    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<V::Value, A::Error> {
        let error = Failure::invalid_type(Unexpected::Seq, &self.inner);
        Err(error.wait(self.slot))
    }
}

/// The members of an object, and the name of the one that was read last.
struct Members<'s, A> {
    members: Traced<'s, A>,
    current: String,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Members<'_, A> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Failure> {
        let key = self.members.inner.next_key::<String>();
        let Some(name) = key.map_err(|_| Failure::waited(self.members.slot))? else {
            return Ok(None);
        };
        let text: StrDeserializer<'_, Failure> = name.as_str().into_deserializer();
        let key = seed.deserialize(text)?;
        self.current = name;
        Ok(Some(key))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Failure> {
        let seed = self.members.around(seed);
        let value = self.members.inner.next_value_seed(seed);
        value.map_err(|_| Failure::waited(self.members.slot).inside(std::mem::take(&mut self.current)))
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Traced<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        let inner = self.around(inner);
        self.inner.deserialize(inner).map_err(|error| error.wait(self.slot))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::change::FieldChange;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[serde(default)]
        text: FieldChange<String>,
        #[serde(default)]
        state: Option<State>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum State {
        Set,
        NotSet,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        id: i64,
        #[serde(default)]
        inner: Option<Inner>,
    }

    fn wrong(text: &str) -> (String, What) {
        match read::<Outer>(text.as_bytes()) {
            Err(Error::Value(wrong)) => (wrong.pointer(), wrong.what),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_body_is_read() {
        let outer = read::<Outer>(br#"{"id":7,"inner":{"text":"a\nb","state":"not_set"}}"#).unwrap();
        let text = FieldChange::Set(Some("a\nb".to_owned()));
        assert_eq!(
            outer,
            Outer {
                id: 7,
                inner: Some(Inner {
                    text,
                    state: Some(State::NotSet)
                })
            }
        );
        let outer = read::<Outer>(b" {\"inner\":null, \"id\": 0} \n").unwrap();
        assert_eq!(outer, Outer { id: 0, inner: None });
    }

    #[test]
    fn a_wrong_value_is_reported_with_its_place() {
        let other = |text: &str| What::Other(text.to_owned());
        let unknown = |text: &str| What::Unknown(text.to_owned());
        for (text, pointer, what) in [
            ("{}", "/id", What::Missing("id")),
            (r#"{"id":1,"id":2}"#, "/id", What::Repeated("id")),
            (r#"{"id":"secret"}"#, "/id", other("an integer")),
            (r#"{"id":1.5}"#, "/id", other("an integer")),
            (r#"{"id":true}"#, "/id", other("an integer")),
            (r#"{"id":9223372036854775808}"#, "/id", other("a signed 64-bit integer")),
            (r#"{"id":[1]}"#, "/id", other("an integer")),
            (r#"{"id":1,"other":2}"#, "/other", unknown("other")),
            (r#"{"a/b~c":2}"#, "/a~1b~0c", unknown("a/b~c")),
            (r#"{"id":1,"inner":{"text":7}}"#, "/inner/text", other("a string")),
            (
                r#"{"id":1,"inner":{"`, expected":7}}"#,
                "/inner/`, expected",
                unknown("`, expected"),
            ),
            (
                r#"{"id":1,"inner":{"state":"secret"}}"#,
                "/inner/state",
                other("one of set, not_set"),
            ),
            (r#"{"id":1,"inner":{"state":7}}"#, "/inner/state", other("a string")),
            (r#"{"id":1,"inner":["a"]}"#, "/inner", other("an object")),
            ("[7]", "", other("an object")),
            ("\"secret\"", "", other("an object")),
        ] {
            assert_eq!(wrong(text), (pointer.to_owned(), what), "{text}");
        }
    }

    #[test]
    fn invalid_json_is_distinguished_from_other_json() {
        for (text, place) in [
            ("", (1, 0)),
            ("{", (1, 1)),
            ("{\"id\":7", (1, 7)),
            ("{\n\"id\" 7}", (2, 6)),
            ("{\"id\":7} x", (1, 10)),
            ("{\"inner\":{\"text\":tru}}", (1, 21)),
        ] {
            assert_eq!(
                read::<Outer>(text.as_bytes()).unwrap_err(),
                Error::Json(Some(place)),
                "{text}"
            );
        }
        for text in [
            // Texts that are no Unicode, and a number that no parser takes.
            &b"{\"inner\":{\"text\":\"\\ud800\"}}"[..],
            b"{\"inner\":{\"text\":\"\xff\"}}",
            b"{\"id\":1e400}",
            // A wrong value comes first.
            b"{\"id\":\"1\", garbage",
        ] {
            assert!(
                matches!(read::<Outer>(text).unwrap_err(), Error::Json(Some((1, 8..)))),
                "{text:?}"
            );
        }
    }
}

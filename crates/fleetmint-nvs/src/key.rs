//! Names that may be written: [`Key`] and [`Namespace`]. [`RawName`] is a name as a flash holds it.

pub use crate::name::RawName;

use crate::error::{Error, NameKind};
use crate::layout::{NAME_FIELD, NAME_MAX};
use alloc::string::String;
use core::fmt;

/// Checks a name that is to be written.
fn checked(kind: NameKind, name: &[u8]) -> Result<RawName, Error> {
    if name.is_empty() {
        return Err(Error::NameEmpty { kind });
    }
    if name.len() > NAME_MAX {
        return Err(Error::NameTooLong {
            kind,
            name: beginning(name),
            size: name.len(),
        });
    }
    if let Some(offset) = name.iter().position(|byte| *byte == 0) {
        return Err(Error::NameHasNul {
            kind,
            name: String::from_utf8_lossy(name).into_owned(),
            offset,
        });
    }
    let mut field = [0; NAME_FIELD];
    for (to, from) in field.iter_mut().zip(name) {
        *to = *from;
    }
    Ok(RawName::of_clean(field))
}

/// The part of a name that a message shows.
fn beginning(name: &[u8]) -> String {
    const MOST: usize = 64;
    match name.split_at_checked(MOST) {
        Some((shown, [_, ..])) => String::from_utf8_lossy(shown).into_owned() + "…",
        _ => String::from_utf8_lossy(name).into_owned(),
    }
}

macro_rules! written_name {
    ($(#[$doc:meta])* $name:ident, $kind:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(RawName);

        impl $name {
            /// Checks a name: 1 to 15 bytes, none of them NUL.
            ///
            /// # Errors
            /// [`Error::NameEmpty`], [`Error::NameTooLong`], [`Error::NameHasNul`].
            pub fn new(name: impl AsRef<[u8]>) -> Result<Self, Error> {
                checked($kind, name.as_ref()).map(Self)
            }

            /// The name's bytes, without NUL.
            #[must_use]
            #[inline]
            pub fn as_bytes(&self) -> &[u8] {
                self.0.as_bytes()
            }

            /// The name as an entry holds it: padded with NUL to 16 bytes.
            #[must_use]
            #[inline]
            pub const fn field(&self) -> &[u8; NAME_FIELD] {
                self.0.field()
            }

            /// The same name, as one read from flash.
            #[must_use]
            #[inline]
            pub const fn raw(&self) -> RawName {
                self.0
            }
        }

        impl From<$name> for RawName {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl TryFrom<RawName> for $name {
            type Error = Error;

            fn try_from(name: RawName) -> Result<Self, Error> {
                Self::new(name.as_bytes())
            }
        }

        impl core::str::FromStr for $name {
            type Err = Error;

            fn from_str(name: &str) -> Result<Self, Error> {
                Self::new(name)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

written_name! {
    /// A key that may be written: 1 to 15 bytes, none of them NUL.
    ///
    /// ```
    /// use fleetmint_nvs::{Error, Key};
    /// assert_eq!(Key::new("client_secret")?.as_bytes(), b"client_secret");
    /// assert!(matches!(Key::new("sixteen_bytes_16"), Err(Error::NameTooLong { size: 16, .. })));
    /// # Ok::<(), Error>(())
    /// ```
    Key, NameKind::Key
}
written_name! {
    /// The name of a namespace that may be written: 1 to 15 bytes, none of them NUL.
    Namespace, NameKind::Namespace
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_names_are_checked() {
        assert!(matches!(Key::new(""), Err(Error::NameEmpty { kind: NameKind::Key })));
        assert!(Key::new([b'k'; 15]).is_ok());
        assert!(matches!(
            Namespace::new([b'n'; 16]),
            Err(Error::NameTooLong {
                kind: NameKind::Namespace,
                size: 16,
                ..
            })
        ));
        assert!(matches!(Key::new("a\0b"), Err(Error::NameHasNul { offset: 1, .. })));
        // Bytes count, not characters.
        assert!(Key::new("ääääääää").is_err());
        assert_eq!(Key::new("ü").unwrap().field(), b"\xc3\xbc\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    }
}

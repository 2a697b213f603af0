//! Who may call.

pub(crate) mod http;
pub(crate) mod refusals;
mod stored;
mod token;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use subtle::ConstantTimeEq as _;

use crate::data_folder::{DataFolder, TokenFile};
use crate::database::{self, Database};
use crate::identity::Identity;
use crate::seal::{Seal, sha256};
use crate::secret::Secret;

pub use crate::caller::{Caller, Principal};
pub use http::Gate;
pub use refusals::Refusals;
use stored::Stored;
pub use token::{Keeping, Token, TokenError};

/// Why a call is not let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No `Authorization`, not `Bearer`, or a token that is nobody's.
    #[error("no valid token")]
    Unauthorized,
    /// The valid token of a device.
    #[error("the token is a device's, {client_id}")]
    Device { client_id: String },
    #[error(transparent)]
    Database(#[from] database::Error),
    /// The token may be right, but its file is not there to say so.
    #[error("the file of the administrator token cannot be read: {cause}")]
    TokenFile { cause: String },
}

/// How long what was read is remembered, even while nothing says that it changed.
const REMEMBERED: SignedDuration = SignedDuration::from_secs(1);

/// Knows the administrator's token: the setting, else the one that the data folder's file holds and whose digest is in the
/// database, where a reset beside the running server changes both. Either alone could have been put back by somebody who
/// can write only that. Where the operator has deleted the file, the database decides alone.
#[derive(Clone, Debug)]
pub struct Access {
    database: Database,
    folder: DataFolder,
    seal: Seal,
    /// The token of the settings, which no other process changes.
    setting: Option<Secret>,
    known: Arc<Mutex<Option<Known>>>,
}

/// The token that was right last, by its hash, and when. A reset first puts another file in the place of the token's: as
/// long as the file is the one that holds this token, nothing has changed.
#[derive(Debug)]
struct Known {
    hash: [u8; 32],
    file: TokenFile,
    read_at: Timestamp,
}

impl Known {
    fn holds(&self, now: Timestamp) -> bool {
        (SignedDuration::ZERO..REMEMBERED).contains(&now.duration_since(self.read_at)) && self.file.is_current()
    }
}

impl Access {
    /// Who sends this `Authorization` header (RFC 6750 §2.1). A reset takes effect at once.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn authenticate(
        &self,
        authorization: Option<&[u8]>,
        identity: &Identity,
        now: Timestamp,
    ) -> Result<Principal, Error> {
        let token = authorization.and_then(bearer).ok_or(Error::Unauthorized)?;
        if self.is_administrator(token, now).await? {
            return Ok(Principal::Administrator);
        }
        match identity {
            Identity::Builtin(builtin) => match builtin.subject(token, now) {
                Some(client_id) => Err(Error::Device { client_id }),
                None => Err(Error::Unauthorized),
            },
            Identity::Keycloak(_) => Err(Error::Unauthorized),
        }
    }

    async fn is_administrator(&self, token: &str, now: Timestamp) -> Result<bool, Error> {
        if let Some(setting) = &self.setting {
            return Ok(setting.expose().as_bytes().ct_eq(token.as_bytes()).into());
        }
        let hash = sha256(token.as_bytes());
        if let Some(known) = &*self.known()
            && known.holds(now)
            && known.hash.ct_eq(&hash).into()
        {
            return Ok(true);
        }
        // Opened before the digest is read: a reset after that is seen by the file.
        let file = self.folder.admin_token_file();
        let Some(stored) = self.database.read(Stored::read).await? else {
            return Ok(false);
        };
        if !stored.is_of(&self.seal, token) {
            return Ok(false);
        }
        let unreadable = |cause: String| Error::TokenFile { cause };
        let Some(file) = file.map_err(|error| unreadable(error.to_string()))? else {
            return Ok(!stored.is_from_settings());
        };
        // While a reset is under way the digests of two tokens are stored; the file holds the one that is right.
        let in_file = file.token().map_err(|error| unreadable(error.to_string()))?;
        if !bool::from(sha256(in_file.expose().as_bytes()).ct_eq(&hash)) {
            return Ok(false);
        }
        *self.known() = Some(Known {
            hash,
            file,
            read_at: now,
        });
        Ok(true)
    }

    fn known(&self) -> MutexGuard<'_, Option<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What stands after `Bearer `.
fn bearer(authorization: &[u8]) -> Option<&str> {
    let (scheme, token) = std::str::from_utf8(authorization).ok()?.split_once(' ')?;
    Some(token.trim()).filter(|token| scheme.eq_ignore_ascii_case("Bearer") && !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::stored::Origin;
    use super::*;
    use crate::clock::SystemClock;
    use crate::random::SystemRandom;
    use crate::seal::MasterKey;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    struct Setting {
        root: tempfile::TempDir,
        folder: DataFolder,
        database: Database,
        seal: Seal,
        random: SystemRandom,
    }

    impl Setting {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            let folder = DataFolder::create(&root.path().join("data")).unwrap();
            let database = Database::open(&root.path().join("database")).unwrap();
            let random = SystemRandom;
            let key = MasterKey::generate(&random);
            Self {
                root,
                folder,
                database,
                seal: Seal::new(&key, Arc::new(SystemRandom)),
                random,
            }
        }

        fn keeping(&self) -> Keeping<'_> {
            Keeping {
                database: &self.database,
                folder: &self.folder,
                seal: &self.seal,
                random: &self.random,
                clock: &SystemClock,
            }
        }

        fn start(&self) -> (Access, Token) {
            Access::start(self.keeping(), None).unwrap()
        }

        fn reset(&self) {
            Access::reset(self.keeping(), None, "os:alice").unwrap();
        }

        fn in_file(&self) -> String {
            std::fs::read_to_string(self.folder.admin_token_path())
                .unwrap()
                .trim()
                .to_owned()
        }

        fn put(&self, stored: &Stored) {
            self.database
                .write_blocking::<_, database::Error>(|connection| stored.write(connection))
                .unwrap();
        }
    }

    #[tokio::test]
    async fn a_token_is_remembered_only_while_its_file_is_there() {
        let setting = Setting::new();
        let (access, token) = setting.start();
        assert_eq!(token, Token::Made);

        let first = setting.in_file();
        assert!(access.is_administrator(&first, at(0)).await.unwrap());
        assert!(access.known.lock().unwrap().is_some());
        // Another process has made another token.
        setting.reset();
        let second = setting.in_file();
        assert!(!access.is_administrator(&first, at(0)).await.unwrap());
        assert!(access.is_administrator(&second, at(0)).await.unwrap());

        // It is just making one: the file is there, and the database has both tokens.
        *access.known.lock().unwrap() = None;
        let digest = |token: &str| Origin::Made.digest(&setting.seal, token);
        setting.put(&Stored::Authentic {
            origin: Origin::Made,
            digest: digest(&second),
            next: Some(digest("the next one")),
        });
        assert!(access.is_administrator(&second, at(0)).await.unwrap());
        assert!(!access.is_administrator("the next one", at(0)).await.unwrap());
        setting.folder.write_admin_token("the next one").unwrap();
        assert!(!access.is_administrator(&second, at(0)).await.unwrap());
        assert!(access.is_administrator("the next one", at(0)).await.unwrap());
        setting.put(&Stored::made(digest("the next one")));
        assert!(!access.is_administrator(&second, at(0)).await.unwrap());
        assert!(access.is_administrator("the next one", at(0)).await.unwrap());

        // Without a file the database decides, each time anew.
        setting.folder.remove_admin_token().unwrap();
        assert!(access.is_administrator("the next one", at(0)).await.unwrap());
        setting.put(&Stored::made(digest("made elsewhere")));
        assert!(access.is_administrator("made elsewhere", at(0)).await.unwrap());
        assert!(!access.is_administrator("the next one", at(0)).await.unwrap());
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_read_is_no_wrong_token() {
        let setting = Setting::new();
        let (access, _) = setting.start();
        let token = setting.in_file();
        setting.folder.remove_admin_token().unwrap();
        std::fs::create_dir(setting.folder.admin_token_path()).unwrap();
        let error = access.is_administrator(&token, at(0)).await.unwrap_err();
        assert!(matches!(error, Error::TokenFile { .. }), "{error}");
        assert!(!access.is_administrator("another", at(0)).await.unwrap());
    }

    #[tokio::test]
    async fn who_can_only_write_the_database_does_not_get_in() {
        let setting = Setting::new();
        let (access, _) = setting.start();
        let token = setting.in_file();
        let hash = sha256(b"the attacker's own");
        let other_seal = Setting::new().seal;
        let forged = [
            Stored::Plain {
                origin: Origin::Made,
                hash,
            },
            Stored::made(hash),
            Stored::made(Origin::Made.digest(&other_seal, "the attacker's own")),
            // Of another origin.
            Stored::made(Origin::Settings.digest(&setting.seal, "the attacker's own")),
            Stored::Damaged,
        ];
        for forged in forged {
            setting.put(&forged);
            assert!(
                !access.is_administrator("the attacker's own", at(0)).await.unwrap(),
                "{forged:?}"
            );
            // Nor after a start, which says that a reset is needed.
            let (access, kept) = setting.start();
            assert_eq!(kept, Token::Unproven, "{forged:?}");
            assert!(
                !access.is_administrator("the attacker's own", at(0)).await.unwrap(),
                "{forged:?}"
            );
            assert!(!access.is_administrator(&token, at(0)).await.unwrap(), "{forged:?}");
        }
        setting.reset();
        assert!(access.is_administrator(&setting.in_file(), at(0)).await.unwrap());
        assert_eq!(setting.start().1, Token::Kept);

        // Nor by what this program itself wrote, for a token that was right before: when it was settled, and while it was
        // being replaced.
        let revoked = setting.in_file();
        let digest = |token: &str| Origin::Made.digest(&setting.seal, token);
        setting.reset();
        let current = setting.in_file();
        let replayed = [
            (Stored::made(digest(&revoked)), false),
            (
                Stored::Authentic {
                    origin: Origin::Made,
                    digest: digest(&revoked),
                    next: Some(digest(&current)),
                },
                true,
            ),
            (
                Stored::Authentic {
                    origin: Origin::Made,
                    digest: digest(&revoked),
                    next: Some(digest("of a reset before the last")),
                },
                false,
            ),
        ];
        for ((replayed, has_current), seconds) in replayed.into_iter().zip(1..) {
            setting.put(&replayed);
            let check = async |access: &Access| {
                for token in [&*revoked, "of a reset before the last"] {
                    assert!(
                        !access.is_administrator(token, at(seconds)).await.unwrap(),
                        "{replayed:?}"
                    );
                }
                assert_eq!(
                    access.is_administrator(&current, at(seconds)).await.unwrap(),
                    has_current
                );
            };
            check(&access).await;
            let (access, kept) = setting.start();
            assert_eq!(kept == Token::Kept, has_current, "{replayed:?}");
            check(&access).await;
        }
        drop(setting.root);
    }

    #[tokio::test]
    async fn who_can_only_write_the_database_does_not_bring_back_a_token_of_the_settings() {
        let setting = Setting::new();
        let by = |origin: Origin, token: &str| Stored::Authentic {
            origin,
            digest: origin.digest(&setting.seal, token),
            next: None,
        };
        let secret = Secret::new("the setting now".to_owned());
        let (access, token) = Access::start(setting.keeping(), Some(&secret)).unwrap();
        assert_eq!(token, Token::Bootstrap);
        for replayed in [
            by(Origin::Settings, "the one before"),
            by(Origin::Made, "the one before"),
        ] {
            setting.put(&replayed);
            assert!(
                !access.is_administrator("the one before", at(9)).await.unwrap(),
                "{replayed:?}"
            );
            assert!(
                access.is_administrator("the setting now", at(9)).await.unwrap(),
                "{replayed:?}"
            );
        }
        // Where the token was made, with its file and without.
        let (access, token) = setting.start();
        assert_eq!(token, Token::Kept);
        setting.reset();
        for _ in 0..2 {
            setting.put(&by(Origin::Settings, "the one before"));
            assert!(!access.is_administrator("the one before", at(9)).await.unwrap());
            setting.folder.remove_admin_token().unwrap();
        }
    }

    #[tokio::test]
    async fn the_plain_hash_of_an_earlier_version_is_believed_if_the_file_holds_the_token() {
        let setting = Setting::new();
        setting.folder.write_admin_token("of version 0.1.0").unwrap();
        setting.put(&Stored::Plain {
            origin: Origin::Made,
            hash: sha256(b"of version 0.1.0"),
        });
        let (access, token) = setting.start();
        assert_eq!(token, Token::Kept);
        assert!(access.is_administrator("of version 0.1.0", at(0)).await.unwrap());
        let stored = setting.database.read_blocking(Stored::read).unwrap().unwrap();
        assert_eq!(
            stored,
            Stored::made(Origin::Made.digest(&setting.seal, "of version 0.1.0"))
        );

        // Without the file nothing is believed.
        std::fs::remove_file(setting.folder.admin_token_path()).unwrap();
        setting.put(&Stored::Plain {
            origin: Origin::Made,
            hash: sha256(b"of version 0.1.0"),
        });
        let (access, token) = setting.start();
        assert_eq!(token, Token::Unproven);
        assert!(!access.is_administrator("of version 0.1.0", at(0)).await.unwrap());
    }
}

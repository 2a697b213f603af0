use std::sync::atomic::{AtomicBool, Ordering};

use super::stored_token::{StoredToken, TokenKind};
use super::*;
use crate::clock::SystemClock;
use crate::data_folder::DataFolder;
use crate::database::Database;
use crate::random::SystemRandom;
use crate::seal::{MasterKey, Seal, sha256};

/// A data folder and its database, for servers that start one after another.
struct Fixture {
    root: tempfile::TempDir,
    store: TokenStore,
    key: MasterKey,
}

impl Fixture {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let random = Arc::new(SystemRandom);
        let key = MasterKey::generate(&*random);
        let store = TokenStore {
            folder: DataFolder::create(&root.path().join("data")).unwrap(),
            database: Database::open(&root.path().join("database")).unwrap(),
            seal: Seal::new(&key, Arc::clone(&random) as _),
            random,
            clock: Arc::new(SystemClock),
        };
        Self { root, store, key }
    }

    /// From here on another master key seals. With `keeps`, the one before is known as an older one.
    fn change_key(&mut self, keeps: bool) {
        let random = Arc::clone(&self.store.random);
        let older = std::mem::replace(&mut self.key, MasterKey::generate(&*random));
        let older = keeps.then_some(older);
        self.store.seal = Seal::with_older_keys(&self.key, older.as_slice(), random);
    }

    fn start(&self) -> (Access, TokenOrigin) {
        Access::start(self.store.clone(), None).unwrap()
    }

    fn start_with(&self, setting: &str) -> Access {
        let setting = Secret::new(setting.to_owned());
        let (access, origin) = Access::start(self.store.clone(), Some(&setting)).unwrap();
        assert_eq!(origin, TokenOrigin::Setting);
        access
    }

    fn in_file(&self) -> String {
        let token = self.store.folder.admin_token().unwrap().unwrap();
        token.expose().to_owned()
    }

    /// Replaces the row, as an attacker who can write the database.
    fn put(&self, stored: &StoredToken) {
        self.store
            .database
            .write_blocking::<_, database::Error>(|connection| {
                let read = StoredToken::read(connection)?;
                assert!(stored.replace(connection, read.as_ref())?);
                Ok(())
            })
            .unwrap();
    }

    fn stored(&self) -> StoredToken {
        self.store.database.read_blocking(StoredToken::read).unwrap().unwrap()
    }

    fn digest(&self, token: &str) -> [u8; 32] {
        TokenKind::Generated.digest(&self.store.seal, token)
    }

    /// The row of a generated token as this program writes it.
    fn row(&self, token: &str) -> StoredToken {
        StoredToken::settled(TokenKind::of_generated(token), self.digest(token))
    }
}

fn accepts(access: &Access, token: &str) -> bool {
    access.is_administrator(Form::of(token), token)
}

fn damaged() -> StoredToken {
    StoredToken::Damaged { bytes: vec![7; 5] }
}

fn token_of(byte: u8) -> String {
    credential::administrator_token(&[byte; 32]).to_string()
}

#[test]
fn a_reset_takes_effect_at_once_and_nothing_else_does_while_the_server_runs() {
    let fixture = Fixture::new();
    let (access, origin) = fixture.start();
    assert_eq!(origin, TokenOrigin::Created);
    let first = fixture.in_file();
    assert_eq!(Form::of(&first), Form::AdministratorToken);
    assert!(accepts(&access, &first));

    access.reset("os:alice", false).unwrap();
    let second = fixture.in_file();
    assert!(!accepts(&access, &first));
    assert!(accepts(&access, &second) && accepts(&access.clone(), &second));
    assert_eq!(fixture.stored(), fixture.row(&second));

    // The running server ignores changes of the row and the file by others.
    fixture.put(&fixture.row(&first));
    fixture.store.folder.write_admin_token(&first).unwrap();
    assert!(!accepts(&access, &first) && accepts(&access, &second));
    fixture.store.folder.delete_admin_token().unwrap();
    fixture.put(&damaged());
    assert!(accepts(&access, &second));
    access.reset("os:alice", false).unwrap();
    assert!(!accepts(&access, &second) && accepts(&access, &fixture.in_file()));
    assert_eq!(fixture.stored(), fixture.row(&fixture.in_file()));
}

#[test]
fn a_start_completes_an_interrupted_reset() {
    let fixture = Fixture::new();
    fixture.start();
    let (before, next) = (fixture.in_file(), token_of(7));
    let under_way = || {
        fixture.put(&StoredToken::Authentic {
            kind: TokenKind::Generated,
            digest: fixture.digest(&before),
            next: Some(fixture.digest(&next)),
        });
    };
    // Until the file is replaced, the reset has no effect.
    under_way();
    let (access, origin) = fixture.start();
    assert_eq!(origin, TokenOrigin::Existing);
    assert!(accepts(&access, &before) && !accepts(&access, &next));
    assert_eq!(fixture.stored(), fixture.row(&before));

    under_way();
    fixture.store.folder.write_admin_token(&next).unwrap();
    let (access, origin) = fixture.start();
    assert_eq!(origin, TokenOrigin::Existing);
    assert!(!accepts(&access, &before) && accepts(&access, &next));
    assert_eq!(fixture.stored(), fixture.row(&next));
}

#[test]
fn without_the_file_the_database_decides_at_the_start() {
    let fixture = Fixture::new();
    fixture.start();
    let token = fixture.in_file();
    fixture.store.folder.delete_admin_token().unwrap();
    let (access, origin) = fixture.start();
    assert_eq!(origin, TokenOrigin::Existing);
    assert!(accepts(&access, &token) && !accepts(&access, "another"));
    fixture.put(&fixture.row(&token_of(7)));
    let (access, _) = fixture.start();
    assert!(!accepts(&access, &token) && accepts(&access, &token_of(7)));
}

#[test]
fn the_token_stays_valid_when_the_master_key_changes_and_the_older_one_is_known() {
    let mut fixture = Fixture::new();
    fixture.start();
    let (token, next) = (fixture.in_file(), token_of(7));
    let old = fixture.row(&token);
    fixture.change_key(true);
    // With the file, a start replaces the row by one under the newest key.
    let (access, origin) = fixture.start();
    assert_eq!(origin, TokenOrigin::Existing);
    assert!(accepts(&access, &token) && !accepts(&access, &next));
    assert_ne!(fixture.row(&token), old);
    assert_eq!(fixture.stored(), fixture.row(&token));

    // A reset that was cut short before the key was changed.
    let under_way = StoredToken::Authentic {
        kind: TokenKind::Generated,
        digest: fixture.digest(&token),
        next: Some(fixture.digest(&next)),
    };
    fixture.put(&under_way);
    fixture.store.folder.write_admin_token(&next).unwrap();
    fixture.change_key(true);
    let (access, origin) = fixture.start();
    assert_eq!(origin, TokenOrigin::Existing);
    assert!(accepts(&access, &next) && !accepts(&access, &token));
    assert_eq!(fixture.stored(), fixture.row(&next));

    // Without the file, the row stays under the older key: a start does not know the token.
    fixture.store.folder.delete_admin_token().unwrap();
    fixture.change_key(true);
    let (access, origin) = fixture.start();
    assert_eq!(origin, TokenOrigin::Existing);
    assert!(accepts(&access, &next) && !accepts(&access, &token));
    access.reset("os:alice", false).unwrap();
    assert!(!accepts(&access, &next) && accepts(&access, &fixture.in_file()));

    // The older key is forgotten.
    fixture.change_key(false);
    assert_eq!(fixture.start().1, TokenOrigin::Unproven);
}

#[test]
fn a_file_that_cannot_be_read_stops_the_start() {
    let fixture = Fixture::new();
    fixture.start();
    fixture.store.folder.delete_admin_token().unwrap();
    std::fs::create_dir(fixture.store.folder.admin_token_path()).unwrap();
    let error = Access::start(fixture.store.clone(), None).unwrap_err();
    assert!(matches!(error, TokenError::Folder(_)), "{error}");
}

#[test]
fn a_reset_that_cannot_store_the_token_leaves_the_old_one_valid() {
    let fixture = Fixture::new();
    let (access, _) = fixture.start();
    let token = fixture.in_file();
    fixture.store.folder.delete_admin_token().unwrap();
    std::fs::create_dir(fixture.store.folder.admin_token_path()).unwrap();
    let error = access.reset("os:alice", false).unwrap_err();
    assert!(matches!(error, TokenError::Folder(_)), "{error}");
    assert!(accepts(&access, &token));
    std::fs::remove_dir(fixture.store.folder.admin_token_path()).unwrap();
    let (access, _) = fixture.start();
    assert!(accepts(&access, &token));
}

#[test]
fn writing_the_database_alone_gives_no_access() {
    let fixture = Fixture::new();
    fixture.start();
    let (token, attackers) = (fixture.in_file(), token_of(7));
    let hash = sha256(attackers.as_bytes());
    let other = Fixture::new();
    let forged = [
        StoredToken::Plain {
            kind: TokenKind::Generated,
            hash,
        },
        StoredToken::settled(TokenKind::Generated, hash),
        // Under another master key.
        other.row(&attackers),
        // A row for a setting.
        StoredToken::settled(
            TokenKind::Generated,
            TokenKind::Setting.digest(&fixture.store.seal, &attackers),
        ),
        damaged(),
    ];
    for forged in forged {
        fixture.put(&forged);
        let (access, origin) = fixture.start();
        assert_eq!(origin, TokenOrigin::Unproven, "{forged:?}");
        assert!(!accepts(&access, &attackers) && !accepts(&access, &token), "{forged:?}");
    }
    let (access, _) = fixture.start();
    access.reset("os:alice", false).unwrap();
    assert!(accepts(&access, &fixture.in_file()));
    assert_eq!(fixture.start().1, TokenOrigin::Existing);
}

/// A row that this program itself wrote for a token proves nothing after the token was replaced.
#[test]
fn an_old_row_does_not_make_a_replaced_token_valid_again() {
    let fixture = Fixture::new();
    let (access, _) = fixture.start();
    let revoked = fixture.in_file();
    access.reset("os:alice", false).unwrap();
    let (current, older) = (fixture.in_file(), token_of(7));
    let under_way = |next: &str| StoredToken::Authentic {
        kind: TokenKind::Generated,
        digest: fixture.digest(&revoked),
        next: Some(fixture.digest(next)),
    };
    for (replayed, has_current) in [
        (fixture.row(&revoked), false),
        (under_way(&current), true),
        (under_way(&older), false),
    ] {
        fixture.put(&replayed);
        let (access, origin) = fixture.start();
        assert_eq!(origin == TokenOrigin::Existing, has_current, "{replayed:?}");
        assert!(!accepts(&access, &revoked) && !accepts(&access, &older), "{replayed:?}");
        assert_eq!(accepts(&access, &current), has_current, "{replayed:?}");
    }
}

#[test]
fn writing_the_database_alone_does_not_make_an_old_setting_valid_again() {
    const BEFORE: &str = "the setting of the time before";
    let fixture = Fixture::new();
    let row = |kind: TokenKind| StoredToken::settled(kind, kind.digest(&fixture.store.seal, BEFORE));
    for kind in [TokenKind::Setting, TokenKind::Generated] {
        fixture.start_with("the setting that is there now");
        fixture.put(&row(kind));
        let access = fixture.start_with("the setting that is there now");
        assert!(!accepts(&access, BEFORE), "{kind:?}");
        assert!(accepts(&access, "the setting that is there now"), "{kind:?}");
    }
    // Without a setting, its row is replaced: with a token's file and without.
    fixture.start();
    for is_deleted in [false, true] {
        fixture.put(&row(TokenKind::Setting));
        if is_deleted {
            fixture.store.folder.delete_admin_token().unwrap();
        }
        let (access, origin) = fixture.start();
        assert_eq!(origin, TokenOrigin::Created);
        assert!(!accepts(&access, BEFORE) && accepts(&access, &fixture.in_file()));
    }
}

#[test]
fn a_token_of_the_settings_may_have_any_form_and_is_not_reset() {
    let fixture = Fixture::new();
    for setting in [
        "the-bootstrap-token-of-this-test",
        "fma_but-not-the-form-of-one",
        &token_of(7),
        "three.parts-as-of.a-jwt-of-this-test",
    ] {
        let access = fixture.start_with(setting);
        assert!(accepts(&access, setting));
        assert!(!accepts(&access, &format!("{setting}x")) && !accepts(&access, &setting[1..]));
        assert!(fixture.store.folder.admin_token().unwrap().is_none());
        let error = access.reset("os:alice", false).unwrap_err();
        assert!(matches!(error, TokenError::Bootstrap), "{error}");
        assert!(accepts(&access, setting));
    }
    // The settings of the command name one, those of the server do not.
    let (access, _) = fixture.start();
    let error = access.reset("os:alice", true).unwrap_err();
    assert!(matches!(error, TokenError::Bootstrap), "{error}");
    assert!(accepts(&access, &fixture.in_file()));
}

/// As every version up to 0.1.0 created them: 32 random bytes in base64url.
const WITHOUT_PREFIX: &str = "Zm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm8";

#[test]
fn a_token_of_an_earlier_version_is_valid_until_it_is_reset() {
    let fixture = Fixture::new();
    fixture.store.folder.write_admin_token(WITHOUT_PREFIX).unwrap();
    let row = StoredToken::settled(TokenKind::GeneratedWithoutPrefix, fixture.digest(WITHOUT_PREFIX));
    fixture.put(&row);
    for is_deleted in [false, true] {
        if is_deleted {
            fixture.store.folder.delete_admin_token().unwrap();
        }
        let (access, origin) = fixture.start();
        assert_eq!(origin, TokenOrigin::Existing);
        assert!(accepts(&access, WITHOUT_PREFIX));
        assert!(!accepts(&access, &format!("fma_{WITHOUT_PREFIX}")));
        assert_eq!(fixture.stored(), row);
    }
    let (access, _) = fixture.start();
    access.reset("os:alice", false).unwrap();
    assert!(!accepts(&access, WITHOUT_PREFIX));
    let token = fixture.in_file();
    assert!(token.starts_with("fma_") && accepts(&access, &token));
    let (access, _) = fixture.start();
    assert!(!accepts(&access, WITHOUT_PREFIX) && accepts(&access, &token));
}

#[test]
fn the_plain_hash_of_version_0_1_0_is_trusted_if_the_file_holds_the_token() {
    let fixture = Fixture::new();
    let plain = StoredToken::Plain {
        kind: TokenKind::GeneratedWithoutPrefix,
        hash: sha256(WITHOUT_PREFIX.as_bytes()),
    };
    fixture.store.folder.write_admin_token(WITHOUT_PREFIX).unwrap();
    fixture.put(&plain);
    let (access, origin) = fixture.start();
    assert_eq!(origin, TokenOrigin::Existing);
    assert!(accepts(&access, WITHOUT_PREFIX));
    assert_eq!(fixture.stored(), fixture.row(WITHOUT_PREFIX));

    // Without the file the hash proves nothing.
    fixture.store.folder.delete_admin_token().unwrap();
    fixture.put(&plain);
    let (access, origin) = fixture.start();
    assert_eq!(origin, TokenOrigin::Unproven);
    assert!(!accepts(&access, WITHOUT_PREFIX));
}

#[test]
fn calls_and_resets_at_once_end_with_one_valid_token() {
    let fixture = Fixture::new();
    let (access, _) = fixture.start();
    let (first, done) = (fixture.in_file(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                // A token that was refused once is never accepted again.
                let mut is_refused = false;
                while !done.load(Ordering::Relaxed) {
                    let accepted = accepts(&access, &first);
                    assert!(!(is_refused && accepted));
                    is_refused = !accepted;
                }
                assert!(is_refused);
            });
        }
        let resets: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| access.reset("os:alice", false).unwrap()))
            .collect();
        for reset in resets {
            reset.join().unwrap();
            assert!(!accepts(&access, &first));
        }
        done.store(true, Ordering::Relaxed);
    });
    let token = fixture.in_file();
    assert!(accepts(&access, &token));
    assert_eq!(fixture.stored(), fixture.row(&token));
    let (access, origin) = fixture.start();
    assert_eq!(origin, TokenOrigin::Existing);
    assert!(accepts(&access, &token));
    drop(fixture.root);
}

#[test]
fn a_reset_without_a_server_is_refused_while_one_runs() {
    let fixture = Fixture::new();
    fixture.start();
    let token = fixture.in_file();
    let lock = fixture.store.folder.lock().unwrap();
    let error = fixture.store.reset_without_server("os:alice", false).unwrap_err();
    assert!(
        matches!(error, TokenError::Folder(crate::data_folder::Error::Locked { .. })),
        "{error}"
    );
    assert_eq!(fixture.in_file(), token);
    drop(lock);
    fixture.store.reset_without_server("os:alice", false).unwrap();
    assert_ne!(fixture.in_file(), token);
}

/// Servers with data folders of their own have one database, so no lock keeps them apart.
#[test]
fn of_two_changes_at_once_in_two_data_folders_the_later_one_counts_and_the_other_is_an_error() {
    let fixture = Fixture::new();
    fixture.start();
    let other = TokenStore {
        folder: DataFolder::create(&fixture.root.path().join("other")).unwrap(),
        database: Database::open(&fixture.root.path().join("database")).unwrap(),
        ..fixture.store.clone()
    };
    let error = fixture
        .store
        .reset("os:alice", false, |_| other.reset("os:bob", false, |_| ()).unwrap())
        .unwrap_err();
    assert!(matches!(error, TokenError::ChangedMeanwhile), "{error}");
    let token = other.folder.admin_token().unwrap().unwrap();
    assert_eq!(fixture.stored(), fixture.row(token.expose()));
    // No file has a token that is not valid, and the next start knows the one that is.
    assert!(fixture.store.folder.admin_token().unwrap().is_none());
    let (access, origin) = fixture.start();
    assert_eq!(origin, TokenOrigin::Existing);
    assert!(accepts(&access, token.expose()));
    access.reset("os:alice", false).unwrap();
    assert_eq!(fixture.stored(), fixture.row(&fixture.in_file()));

    // The first token of a new database.
    let new = Fixture::new();
    let other = TokenStore {
        folder: other.folder,
        database: Database::open(&new.root.path().join("database")).unwrap(),
        ..new.store.clone()
    };
    other.folder.delete_admin_token().unwrap();
    let error = new
        .store
        .reset("os:alice", false, |_| drop(Access::start(other.clone(), None).unwrap()))
        .unwrap_err();
    assert!(matches!(error, TokenError::ChangedMeanwhile), "{error}");
    let (access, _) = new.start();
    assert!(accepts(&access, other.folder.admin_token().unwrap().unwrap().expose()));
}

#[test]
fn a_reset_whose_end_cannot_be_recorded_says_that_the_new_token_is_valid() {
    let fixture = Fixture::new();
    let (access, _) = fixture.start();
    let before = fixture.in_file();
    let execute = |sql: &str| {
        use diesel::connection::SimpleConnection as _;
        let done = fixture
            .store
            .database
            .write_blocking::<_, database::Error>(|connection| Ok(connection.batch_execute(sql)?));
        done.unwrap();
    };
    let error = fixture
        .store
        .reset("os:alice", false, |token| {
            *access.0.administrator.write().unwrap() = Some(token);
            execute("CREATE TRIGGER full BEFORE UPDATE ON instance BEGIN SELECT RAISE(ABORT, 'full'); END");
        })
        .unwrap_err();
    let path = fixture.store.folder.admin_token_path();
    let said = format!("the new token is in {} and valid, but ", path.display());
    assert!(error.to_string().starts_with(&said), "{error}");
    assert!(accepts(&access, &fixture.in_file()) && !accepts(&access, &before));
    execute("DROP TRIGGER full");
    let (access, origin) = fixture.start();
    assert_eq!(origin, TokenOrigin::Existing);
    assert!(accepts(&access, &fixture.in_file()) && !accepts(&access, &before));
    assert_eq!(fixture.stored(), fixture.row(&fixture.in_file()));
}

#[test]
fn a_token_file_that_is_unreadable_names_the_way_out() {
    let fixture = Fixture::new();
    fixture.start();
    let path = fixture.store.folder.admin_token_path();
    for content in [b"\xFF".to_vec(), vec![b'a'; 65 << 10]] {
        std::fs::write(&path, content).unwrap();
        let error = Access::start(fixture.store.clone(), None).unwrap_err().to_string();
        assert!(
            error.ends_with("; `fleetmint admin reset-token` replaces it by a new one"),
            "{error}"
        );
        fixture.store.reset_without_server("os:alice", false).unwrap();
        fixture.start();
    }
}

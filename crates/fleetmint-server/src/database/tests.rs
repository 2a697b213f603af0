use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};

use super::schema::instance;
use super::{Constraint, Database, Error, OpenError};

fn database(folder: &tempfile::TempDir) -> Database {
    Database::open(&folder.path().join("fleetmint.db")).unwrap()
}

fn put(database: &Database, name: &str) -> Result<usize, Error> {
    database.write_blocking(|connection| {
        diesel::insert_into(instance::table)
            .values((instance::name.eq(name), instance::value.eq(vec![0_u8; 64])))
            .execute(connection)
            .map_err(Error::from)
    })
}

fn count(database: &Database) -> i64 {
    database
        .read_blocking(|connection| instance::table.count().get_result(connection).map_err(Error::from))
        .unwrap()
}

#[test]
fn a_transaction_that_fails_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder);
    let failed: Result<(), Error> = database.write_blocking(|connection| {
        diesel::insert_into(instance::table)
            .values((instance::name.eq("a"), instance::value.eq(vec![1_u8])))
            .execute(connection)?;
        Err(Error::Busy)
    });
    assert!(matches!(failed, Err(Error::Busy)));
    assert_eq!(count(&database), 0);
}

#[test]
fn what_was_deleted_is_in_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder);
    let held = |text: &str| {
        let files = ["fleetmint.db", "fleetmint.db-wal"].map(|name| std::fs::read(folder.path().join(name)).unwrap());
        let found = |bytes: &Vec<u8>| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        files.iter().any(found)
    };
    let execute = |sql: &str| {
        database
            .write_blocking::<_, Error>(|connection| Ok(connection.batch_execute(sql)?))
            .unwrap();
    };
    // A short value between others is not overwritten by chance.
    execute(
        "INSERT INTO instance (name, value) VALUES
             ('a', CAST('before' AS BLOB)), ('b', CAST('plain text of old' AS BLOB)), ('c', CAST('behind' AS BLOB))",
    );
    assert!(held("plain text of old"));
    execute("DELETE FROM instance WHERE name = 'b'");
    // The log keeps the page's old content.
    assert!(held("plain text of old"));
    database.empty_log().unwrap();
    assert!(!held("plain text of old") && held("behind"));
}

#[test]
fn a_panic_in_a_write_does_not_end_writing() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder);
    let panicking = database.clone();
    let panicked = std::thread::spawn(move || {
        panicking.write_blocking::<(), Error>(|connection| {
            diesel::insert_into(instance::table)
                .values((instance::name.eq("lost"), instance::value.eq(vec![1_u8])))
                .execute(connection)?;
            panic!("in the middle of a transaction")
        })
    })
    .join();
    assert!(panicked.is_err());
    put(&database, "kept").unwrap();
    assert_eq!(count(&database), 1);
}

#[test]
fn names_stored_before_the_search_folded_them_are_folded() {
    let folder = tempfile::tempdir().unwrap();
    database(&folder)
        .write_blocking::<_, Error>(|connection| {
            Ok(connection.batch_execute(
                "ALTER TABLE device_models DROP COLUMN name_folded;
                 ALTER TABLE devices DROP COLUMN name_folded;
                 DELETE FROM __diesel_schema_migrations WHERE version = '00000000000004';
                 INSERT INTO device_models (code, name, created_at, updated_at) VALUES ('m', 'CAFÉ', 0, 0);",
            )?)
        })
        .unwrap();
    let found = database(&folder).read_blocking(|connection| {
        use super::schema::device_models::dsl;
        let query = dsl::device_models.filter(dsl::name_folded.eq("café"));
        query.count().get_result::<i64>(connection).map_err(Error::from)
    });
    assert_eq!(found.unwrap(), 1);
}

#[test]
fn errors_distinguish_what_a_caller_can_act_on() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder);
    put(&database, "a").unwrap();
    assert_eq!(put(&database, "a"), Err(Error::Taken(Constraint::InstanceName)));

    let dangling: Result<(), Error> = database.write_blocking(|connection| {
        Ok(connection.batch_execute(
            "INSERT INTO client_secrets (id, client_id, secret, created_at) VALUES ('s', 'nobody', x'00', 0)",
        )?)
    });
    assert!(matches!(dangling, Err(Error::Referenced)), "{dangling:?}");

    let full: Result<(), Error> = database.write_blocking(|connection| {
        connection.batch_execute("PRAGMA max_page_count = 1")?; // SQLite raises the limit to the number of pages in use
        for n in 0..1000 {
            diesel::insert_into(instance::table)
                .values((
                    instance::name.eq(format!("filler {n}")),
                    instance::value.eq(vec![0_u8; 1024]),
                ))
                .execute(connection)?;
        }
        Ok(())
    });
    assert!(matches!(full, Err(Error::Full)), "{full:?}");
    assert_eq!(count(&database), 1);
    put(&database, "after the disk was full").unwrap();
}

/// Each row is inserted twice: unchanged, and with its other unique values replaced.
#[test]
fn each_unique_constraint_is_recognized() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder);
    let execute = |sql: &str| database.write_blocking::<_, Error>(|connection| Ok(connection.batch_execute(sql)?));
    let model = "INSERT INTO device_models (id, code, name, created_at, updated_at, name_folded) VALUES";
    let device = "INSERT INTO devices (id, key, device_model_id, name, client_id, state, created_at, updated_at, serial, \
                  name_folded) VALUES";
    let client = "INSERT INTO clients (client_id, device_key, enabled, created_at) VALUES";
    let secret = "INSERT INTO client_secrets (id, client_id, secret, created_at) VALUES";
    let signing_key = "INSERT INTO signing_keys (kid, secret, created_at, is_first) VALUES";
    let flash = "INSERT INTO flashes (device_id, current_device_id, mac, chip, partition_name, partition_offset, \
                 partition_size, tool, started_at) VALUES";
    let idempotency_key = "INSERT INTO idempotency_keys (caller, key, fingerprint, created_at) VALUES";
    let session = "INSERT INTO sessions (id, proof, created_at, expires_at) VALUES";
    for row in [
        "INSERT INTO instance (name, value) VALUES ('n', x'00')".to_owned(),
        format!("{model} (1, 'm', '', 0, 0, '')"),
        format!("{device} (1, 'k', 1, '', 'c', 'active', 0, 0, 's', '')"),
        format!("{client} ('c', 'k', 1, 0)"),
        format!("{secret} ('i', 'c', x'00', 0)"),
        format!("{signing_key} ('k', x'00', 0, 1)"),
        format!("{idempotency_key} ('a', 'k', x'00', 0)"),
        format!("{device} (3, 'x', 1, '', 'x', 'active', 0, 0, 'x', '')"),
        format!("{flash} (1, 1, 'm', 'esp32', 'nvs', 0, 0, 't', 0)"),
        format!("{session} (x'01', x'00', 0, 0)"),
    ] {
        execute(&row).unwrap();
    }
    let again = |constraint| match constraint {
        Constraint::InstanceName => "INSERT INTO instance (name, value) VALUES ('n', x'01')".to_owned(),
        Constraint::DeviceModelCode => format!("{model} (2, 'm', '', 0, 0, '')"),
        Constraint::DeviceKey => format!("{device} (2, 'k', 1, '', 'd', 'active', 0, 0, 't', '')"),
        Constraint::DeviceClientId => format!("{device} (2, 'l', 1, '', 'c', 'active', 0, 0, 't', '')"),
        Constraint::DeviceSerial => format!("{device} (2, 'l', 1, '', 'd', 'active', 0, 0, 's', '')"),
        Constraint::ClientId => format!("{client} ('c', 'l', 1, 0)"),
        Constraint::ClientDeviceKey => format!("{client} ('d', 'k', 1, 0)"),
        Constraint::ClientSecretId => format!("{secret} ('i', 'c', x'01', 0)"),
        Constraint::SigningKeyId => format!("{signing_key} ('k', x'01', 0, NULL)"),
        Constraint::FirstSigningKey => format!("{signing_key} ('l', x'01', 0, 1)"),
        Constraint::IdempotencyKey => format!("{idempotency_key} ('a', 'k', x'01', 0)"),
        Constraint::FlashCurrentDevice => format!("{flash} (1, 1, 'n', 'esp32', 'nvs', 0, 0, 't', 0)"),
        Constraint::FlashCurrentBoard => format!("{flash} (3, 3, 'm', 'esp32', 'nvs', 0, 0, 't', 0)"),
        Constraint::SessionId => format!("{session} (x'01', x'01', 0, 0)"),
    };
    for constraint in Constraint::ALL {
        assert_eq!(execute(&again(constraint)), Err(Error::Taken(constraint)));
    }
}

#[test]
fn every_unique_constraint_of_the_schema_has_a_name() {
    #[derive(QueryableByName)]
    struct Unique {
        #[diesel(sql_type = Text)]
        columns: String,
    }
    let folder = tempfile::tempdir().unwrap();
    let found: Vec<Unique> = database(&folder)
        .read_blocking::<_, Error>(|connection| {
            Ok(diesel::sql_query(
                "SELECT group_concat(t.name || '.' || c.name, ', ') AS columns
                 FROM sqlite_schema t, pragma_index_list(t.name) i, pragma_index_info(i.name) c
                 WHERE t.type = 'table' AND i.\"unique\" AND t.name NOT LIKE '\\_\\_%' ESCAPE '\\'
                 GROUP BY i.name",
            )
            .load(connection)?)
        })
        .unwrap();
    let mut found: Vec<String> = found.into_iter().map(|unique| unique.columns).collect();
    let mut known = Constraint::ALL.map(|constraint| constraint.name().to_owned());
    found.sort_unstable();
    known.sort_unstable();
    assert_eq!(found, known);
}

#[test]
fn a_write_waits_for_another_process() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder);
    let mut other = SqliteConnection::establish(folder.path().join("fleetmint.db").to_str().unwrap()).unwrap();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| put(&database, "a"));
        std::thread::sleep(std::time::Duration::from_millis(50));
        other.batch_execute("COMMIT").unwrap();
        writing.join().unwrap().unwrap();
    });
}

#[test]
fn opening_again_keeps_the_data_and_a_newer_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    put(&database(&folder), "a").unwrap();
    assert_eq!(count(&database(&folder)), 1);

    database(&folder)
        .write_blocking::<(), Error>(|connection| {
            Ok(connection
                .batch_execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101000000')")?)
        })
        .unwrap();
    let refused = Database::open(&folder.path().join("fleetmint.db")).unwrap_err();
    assert!(
        matches!(&refused, OpenError::Newer { version } if version == "99990101000000"),
        "{refused}"
    );
}

#[test]
fn a_file_that_is_not_a_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("fleetmint.db"), vec![b'x'; 8192]).unwrap();
    let refused = Database::open(&folder.path().join("fleetmint.db")).unwrap_err();
    assert!(refused.to_string().contains("not a database"), "{refused}");
}

#[test]
fn commits_are_durable_and_references_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    #[derive(QueryableByName)]
    struct Number {
        #[diesel(sql_type = BigInt)]
        value: i64,
    }
    let pragma = |name: &str| {
        database(&folder)
            .write_blocking::<_, Error>(|connection| {
                let query = format!("SELECT {name} AS value FROM pragma_{name}");
                Ok(diesel::sql_query(query).get_result::<Number>(connection)?.value)
            })
            .unwrap()
    };
    assert_eq!(pragma("synchronous"), 2);
    assert_eq!(pragma("foreign_keys"), 1);
}

/// Each `table!` names the columns of the migrations in their order, with their nullability.
#[test]
fn the_schema_in_code_is_the_schema_in_the_database() {
    #[derive(QueryableByName, Debug, PartialEq)]
    struct Column {
        #[diesel(sql_type = Text)]
        name: String,
        #[diesel(sql_type = Text, column_name = "type")]
        kind: String,
        #[diesel(sql_type = Bool)]
        required: bool,
    }
    #[derive(QueryableByName)]
    struct Table {
        #[diesel(sql_type = Text)]
        name: String,
    }
    let folder = tempfile::tempdir().unwrap();
    let mut actual = String::new();
    database(&folder)
        .read_blocking::<_, Error>(|connection| {
            let tables: Vec<Table> = diesel::sql_query(
                "SELECT name FROM sqlite_schema WHERE type = 'table' \
                 AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '\\_\\_%' ESCAPE '\\' ORDER BY rowid",
            )
            .load(connection)?;
            for table in tables {
                let columns: Vec<Column> = diesel::sql_query(format!(
                    "SELECT name, type, \"notnull\" AS required FROM pragma_table_info('{}')",
                    table.name
                ))
                .load(connection)?;
                actual += &format!("{}\n", table.name);
                for column in columns {
                    actual += &format!("    {} {} {}\n", column.name, column.kind, column.required);
                }
            }
            Ok(())
        })
        .unwrap();

    let source = include_str!("schema.rs");
    let mut declared = String::new();
    for line in source.lines() {
        let line = line.trim();
        if let Some((name, _)) = line.split_once(" (").filter(|_| line.ends_with('{')) {
            declared += &format!("{name}\n");
        } else if let Some((name, kind)) = line
            .trim_end_matches(',')
            .split_once(" -> ")
            .filter(|_| line.ends_with(','))
        {
            let bare = kind.trim_start_matches("Nullable<").trim_end_matches('>');
            let stored = match bare {
                "Text" => "TEXT",
                "Binary" => "BLOB",
                "BigInt" | "Integer" | "Bool" => "INTEGER",
                other => panic!("no SQLite type is known for {other}"),
            };
            declared += &format!("    {name} {stored} {}\n", bare == kind);
        }
    }
    assert_eq!(declared, actual);
}

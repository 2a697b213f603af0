use std::time::Duration;

use futures_util::future::join_all;

use jiff::Timestamp;

use super::super::{Attempt, Filter, Record, store};
use super::*;
use crate::clock::SystemClock;
use crate::database;
use crate::operation::Operation;

fn entry(device: i64) -> Entry {
    Entry {
        at: Timestamp::UNIX_EPOCH,
        actor: "administrator".into(),
        action: Operation::GetProvisioning,
        device_id: Some(device),
        model_id: None,
        source: "127.0.0.1".into(),
    }
}

fn database() -> (tempfile::TempDir, Database) {
    let root = tempfile::tempdir().unwrap();
    let database = Database::open(&root.path().join("database")).unwrap();
    (root, database)
}

/// All records, oldest first.
fn records(database: &Database) -> Vec<Record> {
    let records = database.read_blocking(|connection| store::list(connection, &Filter::default(), 10_000));
    let mut records: Vec<Record> = records.unwrap().records;
    records.reverse();
    records
}

/// The devices that have records with this outcome.
fn recorded(database: &Database, outcome: &str) -> Vec<i64> {
    let mut devices: Vec<i64> = records(database)
        .iter()
        .filter(|record| record.outcome == outcome)
        .filter_map(|record| record.device_id)
        .collect();
    devices.sort_unstable();
    devices
}

async fn until_recorded(database: &Database, outcome: &str, devices: &[i64]) {
    for _ in 0..1000 {
        if recorded(database, outcome) == devices {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!(
        "there are records of {:?}, not of {devices:?}",
        recorded(database, outcome)
    );
}

fn execute(database: &Database, sql: &str) {
    use diesel::connection::SimpleConnection as _;
    let write = |connection: &mut Connection| Ok(connection.batch_execute(sql)?);
    database.write_blocking::<_, database::Error>(write).unwrap();
}

async fn done(audit: &Audit, device: i64) {
    audit.record(entry(device), Outcome::Succeeded).await.unwrap();
}

#[tokio::test]
async fn a_failed_read_is_recorded_as_failed_and_does_not_affect_others() {
    let (_root, database) = database();
    let audit = Audit::start(&database, Arc::new(SystemClock));
    let all = (0..20).map(|device| {
        audit.disclose(entry(device), move |_, entry| {
            entry.model_id = Some(device + 100);
            match device % 3 {
                0 => Err(Error(Arc::new(database::Error::Other(device.to_string())))),
                _ => Ok(device * 10),
            }
        })
    });
    for (device, answer) in (0..20).zip(join_all(all).await) {
        match answer {
            Ok(value) => assert_eq!(value, device * 10),
            Err(Error(error)) => assert_eq!((device % 3, error.to_string()), (0, device.to_string())),
        }
    }
    let (failed, read): (Vec<i64>, Vec<i64>) = (0..20).partition(|device| device % 3 == 0);
    assert_eq!(recorded(&database, "succeeded"), read);
    assert_eq!(recorded(&database, "failed"), failed);
    for record in records(&database) {
        assert_eq!(record.model_id, record.device_id.map(|device| device + 100));
        let reason = (record.outcome == "failed").then_some("unavailable");
        assert_eq!((record.reason.as_deref(), record.attempt), (reason, None));
    }
}

#[tokio::test]
async fn a_panic_ends_one_commit_and_not_the_committer() {
    let (_root, database) = database();
    let audit = Audit::start(&database, Arc::new(SystemClock));
    let panics = audit.disclose(entry(1), |_, _| -> Result<(), Error> { panic!("as the test wants it") });
    let (beside, panicked) = tokio::join!(audit.record(entry(2), Outcome::Succeeded), panics);
    assert!(panicked.is_err());
    // It was part of the same commit.
    assert!(beside.is_err());
    assert!(records(&database).is_empty());

    done(&audit, 3).await;
    assert_eq!(recorded(&database, "succeeded"), [3]);
}

#[tokio::test]
async fn a_record_that_nobody_waits_for_waits_for_more_records() {
    let (_root, database) = database();
    let audit = Audit::start(&database, Arc::new(SystemClock));
    // A single record, and a large part of the unfinished ones, are committed although nobody waits.
    let mut one = audit.begin(entry(1)).unwrap();
    until_recorded(&database, "started", &[1]).await;
    let others: Vec<Attempt> = (2..6).map(|device| audit.begin(entry(device)).unwrap()).collect();
    until_recorded(&database, "started", &[1, 2, 3, 4, 5]).await;

    // A small part waits, until a caller waits for one.
    let mut last = audit.begin(entry(6)).unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(recorded(&database, "started"), [1, 2, 3, 4, 5]);
    last.durable().await.unwrap();
    assert_eq!(recorded(&database, "started"), [1, 2, 3, 4, 5, 6]);

    // Waiting for a record that is already on the disk hurries nothing; another operation's commit includes the begun
    // ones.
    let mut beside = audit.begin(entry(7)).unwrap();
    one.durable().await.unwrap();
    for mut other in others {
        other.durable().await.unwrap();
    }
    done(&audit, 9).await;
    assert_eq!(recorded(&database, "started"), [1, 2, 3, 4, 5, 6, 7]);
    beside.durable().await.unwrap();
}

#[tokio::test]
async fn an_outcome_names_its_attempt_however_it_ended() {
    let (_root, database) = database();
    let audit = Audit::start(&database, Arc::new(SystemClock));
    // Enough records for several statements, to check that the ids of the attempts among them are right.
    let attempts: Vec<Attempt> = (0..21).map(|device| audit.begin(entry(device)).unwrap()).collect();
    for (device, mut attempt) in (0..21).zip(attempts) {
        attempt.durable().await.unwrap();
        match device % 3 {
            0 => attempt.ended(Outcome::Succeeded),
            1 => attempt.ended(Outcome::Failed("not-found")),
            // The caller disconnected.
            _ => drop(attempt),
        }
    }
    // This one did so before the record was on the disk.
    drop(audit.begin(entry(21)).unwrap());
    audit.flush().await;

    let all = records(&database);
    assert_eq!(all.len(), 44);
    let (started, ended): (Vec<&Record>, Vec<&Record>) = all.iter().partition(|record| record.outcome == "started");
    for start in started {
        let ends: Vec<_> = ended.iter().filter(|end| end.attempt == Some(start.id)).collect();
        let [end] = ends[..] else { panic!("{start:?}: {ends:?}") };
        let expected = match start.device_id.unwrap() {
            21 => ("failed", Some("canceled")),
            device if device % 3 == 0 => ("succeeded", None),
            device if device % 3 == 1 => ("failed", Some("not-found")),
            _ => ("failed", Some("canceled")),
        };
        assert_eq!((end.outcome.as_str(), end.reason.as_deref()), expected);
        assert_eq!(end.device_id, start.device_id);
        assert!(end.id > start.id && start.attempt.is_none());
    }
}

#[tokio::test]
async fn an_outcome_is_recorded_soon_although_nobody_waits() {
    let (_root, database) = database();
    let audit = Audit::start(&database, Arc::new(SystemClock));
    let mut attempt = audit.begin(entry(1)).unwrap();
    attempt.durable().await.unwrap();
    attempt.ended(Outcome::Succeeded);
    until_recorded(&database, "succeeded", &[1]).await;
}

#[tokio::test]
async fn an_attempt_that_could_not_be_recorded_has_no_outcome() {
    let (_root, database) = database();
    let audit = Audit::start(&database, Arc::new(SystemClock));
    execute(
        &database,
        "CREATE TRIGGER no_room BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END",
    );
    let mut attempt = audit.begin(entry(1)).unwrap();
    attempt.durable().await.unwrap_err();
    execute(&database, "DROP TRIGGER no_room");
    attempt.ended(Outcome::Failed("unavailable"));
    audit.flush().await;
    assert!(records(&database).is_empty());
}

#[tokio::test]
async fn an_outcome_that_could_not_be_committed_is_tried_again() {
    let (_root, database) = database();
    let audit = Audit::start(&database, Arc::new(SystemClock));
    let mut attempt = audit.begin(entry(1)).unwrap();
    attempt.durable().await.unwrap();
    execute(
        &database,
        "CREATE TRIGGER no_room BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END",
    );
    attempt.ended(Outcome::Succeeded);
    audit.record(entry(2), Outcome::Succeeded).await.unwrap_err();
    execute(&database, "DROP TRIGGER no_room");
    done(&audit, 3).await;
    assert_eq!(recorded(&database, "succeeded"), [1, 3]);
}

#[tokio::test]
async fn begun_records_are_written_when_the_service_ends() {
    let (_root, database) = database();
    let audit = Audit::start(&database, Arc::new(SystemClock));
    let made: Vec<Attempt> = (0..4).map(|device| audit.begin(entry(device)).unwrap()).collect();
    until_recorded(&database, "started", &[0, 1, 2, 3]).await;
    drop(audit.begin(entry(4)).unwrap());
    drop((audit, made));
    until_recorded(&database, "failed", &[0, 1, 2, 3, 4]).await;
}

#[tokio::test]
async fn ids_are_never_used_again() {
    let (_root, database) = database();
    let audit = Audit::start(&database, Arc::new(SystemClock));
    join_all((0..30).map(|device| done(&audit, device))).await;
    let last = records(&database).last().unwrap().id;
    execute(&database, "DELETE FROM audit");
    done(&audit, 1).await;
    assert_eq!(records(&database).first().unwrap().id, last + 1);
}

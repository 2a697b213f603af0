use super::*;
use crate::database::race::Race;

const MODEL: &str = "INSERT INTO device_models (id, code, name, created_at, updated_at, name_folded)
                     VALUES (1, 'm', '', 0, 0, '');";

/// Devices 1 to 200 in this state, with an expired lease.
fn devices(state: &str) -> Race {
    Race::new(&format!(
        "{MODEL}
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
         INSERT INTO devices (id, key, device_model_id, name, client_id, state, lease_owner, lease_until, created_at,
                              updated_at, name_folded)
         SELECT i, 'k' || i, 1, '', 'c' || i, '{state}', 'somebody', 1, 0, 0, '' FROM n;"
    ))
}

fn lease() -> Lease {
    Lease {
        owner: "us".to_owned(),
        now: Timestamp::from_second(1).unwrap(),
        until: Timestamp::from_second(2).unwrap(),
    }
}

#[test]
fn each_interrupted_row_is_claimed_once() {
    for (name, state) in [
        ("creating", State::Creating),
        ("active", State::Active),
        ("deleting", State::Deleting),
    ] {
        let claimed = devices(name).run(|connection| {
            let (mut claimed, lease) = (Vec::new(), lease());
            // Each reads all of them, like the reconciler.
            let mut last = 0;
            while let Some((device, found)) = claim_stale(connection, last, &lease).unwrap() {
                assert_eq!(found, state);
                last = device.id;
                claimed.push(device.id);
            }
            claimed
        });
        let mut all: Vec<i64> = claimed.into_iter().flatten().collect();
        all.sort_unstable();
        assert_eq!(all, (1..=200).collect::<Vec<i64>>(), "{name}");
    }
}

#[test]
fn one_claims_a_row_and_it_is_busy_for_the_others() {
    for purpose in [Purpose::Change, Purpose::Deletion] {
        let race = devices("active");
        for id in 1..=20 {
            race.has_one_winner(|connection| match claim(connection, id, &lease(), purpose) {
                Ok(device) => device.id == id,
                Err(Error::Busy) => false,
                Err(other) => panic!("{other}"),
            });
        }
    }
}

#[test]
fn a_row_being_created_or_deleted_is_not_claimed_for_a_change() {
    for (state, purpose) in [
        ("creating", Purpose::Change),
        ("creating", Purpose::Deletion),
        ("deleting", Purpose::Change),
    ] {
        let found = devices(state).run(|connection| claim(connection, 1, &lease(), purpose));
        assert!(
            found.iter().all(|found| matches!(found, Err(Error::NotFound))),
            "{found:?}"
        );
    }
}

#[test]
fn only_one_of_two_devices_with_the_same_serial_is_created() {
    let row = |serial: String| NewRow {
        // For a row that collides in both, the serial is reported.
        key: format!("k-{serial}"),
        device_model_id: 1,
        name: String::new(),
        serial: Some(serial),
        overrides: Overrides::default(),
        now: Timestamp::UNIX_EPOCH,
    };
    let race = Race::new(MODEL);
    for n in 0..20 {
        race.has_one_winner(|connection| {
            let row = row(n.to_string());
            match insert(connection, &row, &row.key, Beginning::Active { provider_ref: None }) {
                Ok(_) => true,
                Err(Error::SerialTaken) => false,
                Err(other) => panic!("{other}"),
            }
        });
        race.has_one_winner(|connection| {
            let row = NewRow {
                serial: None,
                ..row(format!("other {n}"))
            };
            match insert(connection, &row, &row.key, Beginning::Creating(&lease())) {
                Ok(_) => true,
                Err(Error::Database(database::Error::Taken(Constraint::DeviceKey))) => false,
                Err(other) => panic!("{other}"),
            }
        });
    }
}

use std::collections::BTreeMap;

use super::*;
use crate::database::race::Race;

/// Two models' worth of devices: 1 to 8.
fn race() -> Race {
    let mut sql = "INSERT INTO device_models (id, code, name, created_at, updated_at, name_folded)
                   VALUES (1, 'm', '', 0, 0, '');"
        .to_owned();
    for id in 1..=8 {
        sql += &format!(
            "INSERT INTO devices (id, key, device_model_id, name, client_id, state, created_at, updated_at, name_folded)
             VALUES ({id}, 'k{id}', 1, '', 'c{id}', 'active', 0, 0, '');"
        );
    }
    Race::new(&sql)
}

fn mac(number: i64) -> Mac {
    Mac::parse(&format!("60:55:f9:aa:00:{number:02x}")).unwrap()
}

fn new(mac: &Mac) -> NewFlash {
    NewFlash {
        mac: mac.to_string(),
        chip: "esp32".to_owned(),
        partition: Partition {
            name: "nvs".to_owned(),
            offset: 0x9000,
            size: 0x6000,
        },
        tool: "a test".to_owned(),
        replace_board: false,
    }
}

fn begin(connection: &mut Connection, device_id: i64, mac: &Mac) -> Option<Flash> {
    insert(connection, device_id, mac, &new(mac), Timestamp::UNIX_EPOCH).unwrap()
}

fn report(outcome: FlashOutcome, sectors: i64) -> End {
    End {
        outcome,
        sectors,
        bytes: sectors * 4096,
        reason: None,
        at: Timestamp::UNIX_EPOCH,
    }
}

#[test]
fn only_one_of_several_devices_gets_a_board_and_only_one_board_a_device() {
    let race = race();
    for round in 0..20 {
        let (board, device) = (mac(round), round % 8 + 1);
        let next = std::sync::atomic::AtomicI64::new(1);
        race.has_one_winner(|connection| {
            let device = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            begin(connection, device, &board).is_some()
        });
        race.alone(|connection| release(connection, 0, &board, true).unwrap());
        race.has_one_winner(|connection| {
            let board = mac(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 100);
            begin(connection, device, &board).is_some()
        });
        race.alone(|connection| release(connection, device, &board, true).unwrap());
    }
}

#[test]
fn only_one_of_several_reports_ends_a_flash() {
    let race = race();
    for _ in 0..20 {
        let flash = race.alone(|connection| {
            release(connection, 1, &mac(1), false).unwrap();
            begin(connection, 1, &mac(1)).unwrap()
        });
        race.has_one_winner(|connection| end(connection, flash.id, &report(FlashOutcome::Written, 1)).unwrap());
    }
}

#[test]
fn a_device_that_does_not_exist_is_on_no_board() {
    let race = race();
    let inserted = race.alone(|connection| insert(connection, 99, &mac(1), &new(&mac(1)), Timestamp::UNIX_EPOCH));
    assert_eq!(inserted, Err(database::Error::Referenced));
}

/// What the flashes say, by the rule of the room: the boards with the devices that they carry.
fn by_the_rule(flashes: &[Flash], gone: &[i64]) -> BTreeMap<String, i64> {
    let counting: Vec<&Flash> = flashes
        .iter()
        .filter(|flash| flash.end.as_ref().is_none_or(End::counts))
        .collect();
    let mut carried = BTreeMap::new();
    for flash in &counting {
        let is_newest = |same: &dyn Fn(&Flash) -> bool| {
            let newest = counting.iter().filter(|other| same(other)).map(|other| other.id).max();
            newest == Some(flash.id)
        };
        let of_board = is_newest(&|other| other.mac == flash.mac);
        let of_device = is_newest(&|other| other.device_id == flash.device_id);
        if of_board && of_device && !gone.contains(&flash.device_id) {
            carried.insert(flash.mac.to_string(), flash.device_id);
        }
    }
    carried
}

fn stored(connection: &mut Connection) -> BTreeMap<String, i64> {
    let current = dsl::flashes
        .filter(dsl::current_device_id.is_not_null())
        .select((dsl::mac, dsl::device_id));
    current.load(connection).unwrap().into_iter().collect()
}

/// Random histories of few devices and boards: after each step, the columns say what the rule says.
#[test]
fn the_columns_follow_the_rule() {
    let mut seed = 1_u64;
    let mut random = move |below: u64| {
        // Knuth's MMIX generator.
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        i64::try_from((seed >> 33) % below).unwrap()
    };
    for _ in 0..20 {
        let race = race();
        let mut gone = Vec::new();
        race.alone(|connection| {
            for _ in 0..60 {
                let (device, board) = (random(4) + 1, mac(random(4)));
                match random(10) {
                    0 if gone.len() < 2 => {
                        diesel::delete(devices::table.filter(devices::id.eq(device)))
                            .execute(connection)
                            .unwrap();
                        gone.push(device);
                    }
                    1..=4 if !gone.contains(&device) => {
                        let before = stored(connection);
                        let replace = random(2) == 0;
                        let stands_against = before
                            .iter()
                            .any(|(mac, carried)| (*carried == device) != (*mac == board.to_string()));
                        release(connection, device, &board, replace).unwrap();
                        let begun = begin(connection, device, &board).is_some();
                        assert_eq!(begun, replace || !stands_against);
                    }
                    _ => {
                        let open = dsl::flashes.filter(dsl::outcome.is_null()).order(dsl::id);
                        let open: Vec<i64> = open.select(dsl::id).load(connection).unwrap();
                        let Some(id) = open.get(usize::try_from(random(4)).unwrap()) else {
                            continue;
                        };
                        let outcome = FlashOutcome::ALL[usize::try_from(random(3)).unwrap()];
                        let reported = match outcome {
                            FlashOutcome::Unchanged => report(outcome, 0),
                            FlashOutcome::Written => report(outcome, 1),
                            FlashOutcome::Failed => report(outcome, random(2)),
                        };
                        let flash = dsl::flashes.find(id).select(Row::as_select());
                        let flash = Flash::from(flash.get_result::<Row>(connection).unwrap());
                        assert!(end(connection, *id, &reported).unwrap());
                        if !reported.counts() {
                            give_back(connection, flash.device_id, &flash.mac).unwrap();
                        }
                    }
                }
                let all = dsl::flashes.order(dsl::id).select(Row::as_select());
                let all: Vec<Flash> = all
                    .load::<Row>(connection)
                    .unwrap()
                    .into_iter()
                    .map(Flash::from)
                    .collect();
                assert_eq!(stored(connection), by_the_rule(&all, &gone));
            }
        });
    }
}

//! The columns of the overrides, which `device_models` and `devices` have alike: `database/schema.rs` lists them.

use fleetmint_board::provisioning::{BySetting, Setting};

use super::{Columns, Override, Overrides};
use crate::config::url;
use crate::database::prelude::*;
use crate::database::schema::overrides_columns;
use crate::database::{self, Connection};

/// Creates a module of a table's name with what both tables have: `Row`, the overrides' columns, to be embedded in the
/// table's own row; and `seal_userinfo`.
macro_rules! overrides_of {
    ($table:ident, text: [$($text:ident),*], sealed: [$($sealed:ident),*]) => {
        pub(crate) mod $table {
            use super::*;
            use crate::database::schema::$table;

            #[derive(Queryable, Selectable, Insertable, AsChangeset)]
            #[diesel(
                table_name = $table,
                check_for_backend(crate::database::Backend),
                treat_none_as_null = true,
                treat_none_as_default_value = false,
            )]
            pub(crate) struct Row {
                $($text: Option<String>,)*
                $($sealed: Option<Vec<u8>>,)*
            }

            impl Row {
                fn text(&mut self, column: &str) -> Option<&mut Option<String>> {
                    match column {
                        $(stringify!($text) => Some(&mut self.$text),)*
                        _ => None,
                    }
                }

                fn sealed(&mut self, column: &str) -> Option<&mut Option<Vec<u8>>> {
                    match column {
                        $(stringify!($sealed) => Some(&mut self.$sealed),)*
                        _ => None,
                    }
                }
            }

            impl From<Row> for Overrides {
                fn from(mut row: Row) -> Self {
                    Self(BySetting::from_fn(|setting| {
                        let columns = Columns::of(setting);
                        Override {
                            text: columns.text.and_then(|column| row.text(column)?.take()),
                            sealed: columns.sealed.and_then(|column| row.sealed(column)?.take()),
                        }
                    }))
                }
            }

            impl From<&Overrides> for Row {
                fn from(overrides: &Overrides) -> Self {
                    let mut row = Self {
                        $($text: None,)*
                        $($sealed: None,)*
                    };
                    for setting in Setting::OVERRIDABLE {
                        let (columns, value) = (Columns::of(setting), overrides.0.get(setting));
                        if let Some(text) = columns.text.and_then(|column| row.text(column)) {
                            text.clone_from(&value.text);
                        }
                        if let Some(sealed) = columns.sealed.and_then(|column| row.sealed(column)) {
                            sealed.clone_from(&value.sealed);
                        }
                    }
                    row
                }
            }

            /// Seals the user names and passwords of brokers that an earlier version stored in the URL. `seal` gets the
            /// row's own name and what to seal.
            pub(crate) fn seal_userinfo(
                connection: &mut Connection,
                seal: impl Fn(&str, &str) -> Vec<u8>,
            ) -> Result<(), database::Error> {
                for (id, name, url) in urls_with_userinfo(connection)? {
                    if let Some((masked, userinfo)) = url::split_userinfo(&url) {
                        set_mqtt_url(connection, id, &url, &masked, &seal(&name, userinfo))?;
                    }
                }
                Ok(())
            }

            /// The brokers' URLs whose user name and password are not sealed, with the row's id and name.
            fn urls_with_userinfo(connection: &mut Connection) -> Result<Vec<(i64, String, String)>, database::Error> {
                Ok($table::table
                    .filter($table::mqtt_url.like("%://%@%").and($table::mqtt_userinfo.is_null()))
                    .select(($table::id, own_names::$table, $table::mqtt_url.assume_not_null()))
                    .load(connection)?)
            }

            /// Replaces a URL that is still as it was read, and stores the sealed part that was split off it. Says whether it did.
            pub(super) fn set_mqtt_url(
                connection: &mut Connection,
                id: i64,
                read: &str,
                masked: &str,
                userinfo: &[u8],
            ) -> Result<bool, database::Error> {
                let unchanged = $table::mqtt_url.eq(read).and($table::mqtt_userinfo.is_null());
                let changed = diesel::update($table::table.find(id).filter(unchanged))
                    .set(($table::mqtt_url.eq(masked), $table::mqtt_userinfo.eq(userinfo)))
                    .execute(connection)?;
                Ok(changed == 1)
            }
        }
    };
}

overrides_columns!(overrides_of, device_models);
overrides_columns!(overrides_of, devices);

/// The column that names a row of each table, also where its secrets are sealed.
mod own_names {
    pub(super) use crate::database::schema::device_models::code as device_models;
    pub(super) use crate::database::schema::devices::key as devices;
}

#[cfg(test)]
mod tests {
    use diesel::connection::SimpleConnection as _;

    use super::*;
    use crate::database::race::Race;

    /// A setting without its column would be lost silently.
    #[test]
    fn each_setting_has_its_columns() {
        let overrides = Overrides(BySetting::from_fn(|setting| {
            let columns = Columns::of(setting);
            Override {
                text: columns.text.map(str::to_owned),
                sealed: columns.sealed.map(|column| column.as_bytes().to_owned()),
            }
        }));
        for stored in [
            Overrides::from(devices::Row::from(&overrides)),
            Overrides::from(device_models::Row::from(&overrides)),
        ] {
            for setting in Setting::OVERRIDABLE {
                let (stored, given) = (stored.0.get(setting), overrides.0.get(setting));
                assert_eq!(stored.text, given.text, "{setting}");
                assert_eq!(stored.sealed, given.sealed, "{setting}");
            }
        }
    }

    #[test]
    fn a_url_is_sealed_once_and_not_over_a_change() {
        let race = Race::new(
            "INSERT INTO device_models (id, code, name, created_at, updated_at, name_folded)
             VALUES (1, 'm', '', 0, 0, '');
             INSERT INTO devices (id, key, device_model_id, name, client_id, state, created_at, updated_at, name_folded)
             VALUES (1, 'k', 1, '', 'c', 'active', 0, 0, '')",
        );
        for n in 0..20 {
            let url = format!("mqtt://u:{n}@h");
            race.alone(|connection| {
                let store = format!("UPDATE devices SET mqtt_url = '{url}', mqtt_userinfo = NULL");
                connection.batch_execute(&store).unwrap();
            });
            race.has_one_winner(|connection| {
                assert!(!devices::set_mqtt_url(connection, 1, "mqtt://u:another@h", "", b"x").unwrap());
                devices::set_mqtt_url(connection, 1, &url, "mqtt://***@h", b"sealed").unwrap()
            });
        }
    }
}

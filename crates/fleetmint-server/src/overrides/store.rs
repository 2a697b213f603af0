//! The columns of the overrides, which `device_models` and `devices` have alike: `database/schema.rs` lists them.

use crate::database::prelude::*;
use fleetmint_board::provisioning::{BySetting, Setting};

use super::{Columns, Override, Overrides};
use crate::database::schema::overrides_columns;

/// Makes a module of a table's name with `Row`: the overrides' columns of that table, to be embedded in the table's own row.
macro_rules! row_of {
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
        }
    };
}

overrides_columns!(row_of, device_models);
overrides_columns!(row_of, devices);

#[cfg(test)]
mod tests {
    use super::*;

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
}

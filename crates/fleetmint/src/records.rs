//! What the server answers, as a table, as JSON or as CSV.

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::exit::Failure;
use crate::terminal;

/// Characters of a value that a table shows.
const CELL_MAX: usize = 60;

/// The form of an answer.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct FormatArgument {
    /// Format of the output
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub(crate) format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// The objects of the HTTP interface
    Json,
    /// A header, and a row for each item
    Csv,
}

/// Something that the server answers.
pub(crate) trait Record {
    /// What it is as JSON.
    type Json: Serialize;

    fn json(&self) -> &Self::Json;

    /// The names of its values.
    fn names() -> Vec<String>;

    /// Its values, in the same order.
    fn values(&self) -> Vec<String>;
}

/// Prints several; the table has only these columns.
pub(crate) fn print_all<R: Record, const N: usize>(
    format: Format,
    records: &[R],
    columns: [&str; N],
) -> Result<(), Failure> {
    match format {
        Format::Json => terminal::print_json_lines(records.iter().map(Record::json)),
        Format::Csv => print_csv(records),
        Format::Table => {
            let names = R::names();
            let places = columns.map(|column| names.iter().position(|name| name == column));
            let row = |record: &R| {
                let values = record.values();
                places.map(|place| {
                    let value = place.and_then(|place| values.get(place));
                    terminal::shown(value.map_or("", String::as_str), CELL_MAX)
                })
            };
            let header = columns.map(|column| column.to_uppercase().replace('_', " "));
            terminal::print_parts(terminal::table(header.each_ref().map(String::as_str), &[], || {
                records.iter().map(row)
            }))
        }
    }
}

/// Prints one with all its values.
pub(crate) fn print_one<R: Record>(format: Format, record: &R) -> Result<(), Failure> {
    match format {
        Format::Json => terminal::print_json(record.json()),
        Format::Csv => print_csv(std::slice::from_ref(record)),
        Format::Table => {
            let names = R::names();
            let values = record.values();
            let lines = names.iter().zip(&values).filter(|(_, value)| !value.is_empty());
            let width = lines.clone().map(|(name, _)| name.len()).max().unwrap_or_default();
            terminal::print_parts(lines.map(|(name, value)| {
                let value = terminal::shown(value, usize::MAX >> 8);
                format!("{name:width$}  {value}\n")
            }))
        }
    }
}

fn print_csv<R: Record>(records: &[R]) -> Result<(), Failure> {
    terminal::print_data(&csv(&R::names(), records.iter().map(Record::values))?)
}

/// A table as RFC 4180 has it, with LF at the end of lines.
pub(crate) fn csv(names: &[String], rows: impl IntoIterator<Item = Vec<String>>) -> Result<Vec<u8>, Failure> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let written = writer
        .write_record(names)
        .and_then(|()| rows.into_iter().try_for_each(|row| writer.write_record(row)));
    written
        .map_err(|error| error.to_string())
        .and_then(|()| writer.into_inner().map_err(|error| error.to_string()))
        .map_err(Failure::unusable)
}

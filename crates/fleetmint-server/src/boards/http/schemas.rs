//! The rules of flashes, as the OpenAPI document states them.

use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type};

use crate::boards::rules::{
    CHIP_PATTERN, COUNT_MAX, OFFSET_MAX, PARTITION_NAME_MAX, REASON_MAX, SECTOR, SIZE_MAX, TOOL_MAX,
};
use crate::boards::{FlashOutcome, FlashState, mac};
use crate::http::schema;
use crate::name;

pub(super) fn mac_in_request() -> Schema {
    schema::text()
        .pattern(Some(mac::PATTERN))
        .description(Some(
            "The MAC of the board's chip: six bytes in hexadecimal digits with colons between them. Answers have it in lower \
             case.",
        ))
        .examples(["60:55:f9:aa:00:01"])
        .into()
}

pub(super) fn chip() -> Schema {
    schema::text()
        .pattern(Some(CHIP_PATTERN))
        .description(Some("The name of the board's chip in ESP-IDF."))
        .examples(["esp32c3"])
        .into()
}

pub(super) fn partition_name() -> Schema {
    schema::text()
        .min_length(Some(1))
        .max_length(Some(PARTITION_NAME_MAX))
        .pattern(Some(r"^[^\u0000-\u001f\u007f-\u009f]*$"))
        .description(Some("Its name: 1 to 16 bytes without control characters."))
        .examples(["nvs"])
        .into()
}

pub(super) fn tool() -> Schema {
    line(TOOL_MAX)
        .schema_type(Type::String)
        .description(Some("The tool that writes, with its version."))
        .examples(["fleetmint 0.2.0"])
        .into()
}

pub(super) fn reason() -> Schema {
    line(REASON_MAX)
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .examples(["the board was unplugged"])
        .into()
}

fn line(max: usize) -> ObjectBuilder {
    ObjectBuilder::new()
        .min_length(Some(1))
        .max_length(Some(max))
        .pattern(Some(name::PATTERN))
}

pub(super) fn offset() -> Schema {
    multiple_of_sector(OFFSET_MAX).examples([0x9000]).into()
}

pub(super) fn size() -> Schema {
    multiple_of_sector(SIZE_MAX).examples([0x6000]).into()
}

fn multiple_of_sector(maximum: i64) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .multiple_of(Some(SECTOR))
        .minimum(Some(SECTOR))
        .maximum(Some(maximum))
}

pub(super) fn state() -> Schema {
    schema::text()
        .enum_values(Some(FlashState::ALL.map(FlashState::name)))
        .into()
}

pub(super) fn outcome() -> Schema {
    let names = FlashOutcome::ALL.map(|outcome| Some(outcome.name()));
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .enum_values(Some(names.into_iter().chain([None])))
        .into()
}

pub(super) fn count() -> Schema {
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Integer, Type::Null]))
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .minimum(Some(0))
        .maximum(Some(COUNT_MAX))
        .into()
}

pub(super) fn fixed_object() -> Schema {
    ObjectBuilder::new()
        .read_only(true)
        .description(Some("Only unchanged."))
        .into()
}

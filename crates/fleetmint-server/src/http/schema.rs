//! The rules of values that several operations take, as the OpenAPI document states them.
//!
//! A schema counts characters, NVS counts bytes: where a rule is about bytes, the schema has the part of it that is
//! about characters, and the description says the rest.

use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type};

use crate::name;

/// The id of a resource.
pub(crate) fn id() -> Schema {
    whole_number().into()
}

/// A type with the schema that a function gives, for a query parameter: with `schema_with` utoipa leaves out a parameter's
/// description and example.
macro_rules! parameter {
    ($(#[$doc:meta])* $name:ident, $schema:expr) => {
        $(#[$doc])*
        pub(crate) struct $name;

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::RefOr::T($schema)
            }
        }

        impl utoipa::ToSchema for $name {}
    };
}
pub(crate) use parameter;

parameter!(
    /// [`id`] in a query.
    IdInQuery,
    id()
);

/// An id, in an answer that is sent back.
pub(crate) fn fixed_id() -> Schema {
    whole_number().read_only(true).into()
}

fn whole_number() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .minimum(Some(1))
        .maximum(Some(i64::MAX))
}

/// A value that never changes, in an answer that is sent back.
pub(crate) fn fixed_text() -> Schema {
    text().read_only(true).description(Some("Only unchanged.")).into()
}

/// A time in an answer.
pub(crate) fn time() -> Schema {
    moment().into()
}

/// A time in an answer, or `null`.
pub(crate) fn optional_time() -> Schema {
    moment()
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .into()
}

fn moment() -> ObjectBuilder {
    text()
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .examples(["2026-01-31T12:00:00.000000Z"])
}

/// A time, in an answer that is sent back.
pub(crate) fn fixed_time() -> Schema {
    moment().read_only(true).description(Some("Only unchanged.")).into()
}

/// The name of a resource.
pub(crate) fn name() -> Schema {
    text()
        .min_length(Some(1))
        .max_length(Some(name::MAX))
        .pattern(Some(name::PATTERN))
        .description(Some(
            "A name for people: 1 to 200 characters, no control characters, and not only invisible ones.",
        ))
        .examples(["Kitchen"])
        .into()
}

/// Any text.
pub(crate) fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

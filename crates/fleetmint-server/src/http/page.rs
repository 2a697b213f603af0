//! Lists, page by page.

use std::marker::PhantomData;

use serde::Serialize;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{Array, ArrayBuilder, ObjectBuilder, Type};
use utoipa::openapi::{Ref, Required};
use utoipa::{IntoParams, ToSchema};

use super::cursor::Cursor;
use super::extract::Query;
use super::problem::Problem;
use crate::database::keyset::{After, Listing, SortKey};

/// The default number of items of a page.
const LIMIT_DEFAULT: u32 = 50;

/// The maximum number of items of a page.
const LIMIT_MAX: u32 = 500;

/// The longest text to search for, in characters.
const Q_MAX: usize = 256;

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<T: ToSchema> {
    #[schema(schema_with = items::<T>)]
    pub(crate) items: Vec<T>,
    /// The beginning of the next page; `null` on the last page.
    #[schema(required)]
    pub(crate) next_cursor: Option<String>,
}

/// The items by reference: the derived schema would repeat the item's, and a generated client would have two types for one
/// item.
fn items<T: ToSchema>() -> Array {
    ArrayBuilder::new()
        .items(Ref::from_schema_name(T::name()))
        .description(Some("The items, in the requested order."))
        .build()
}

impl<T: ToSchema> Page<T> {
    /// A page of the items. One item more than the limit means that there is a next page.
    pub(crate) fn new<I, S: SortKey>(
        listing: &Listing<S>,
        mut items: Vec<I>,
        after: impl FnOnce(&I) -> After,
        render: impl FnMut(I) -> T,
    ) -> Self {
        let limit = listing.limit as usize;
        let more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = items
            .last()
            .filter(|_| more)
            .map(|last| Cursor(listing.sort.name().to_owned(), listing.descending, after(last)).encode());
        Self {
            items: items.into_iter().map(render).collect(),
            next_cursor,
        }
    }
}

/// Documents the parameters that all lists share; they are read one by one, so that an error can name the parameter.
pub(crate) struct ListParameters<S>(PhantomData<S>);

impl<S: SortKey> IntoParams for ListParameters<S> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let names = S::ALL
            .iter()
            .flat_map(|sort| [sort.name().to_owned(), format!("-{}", sort.name())]);
        vec![
            limit_parameter(),
            parameter(
                "cursor",
                "The `next_cursor` of the previous page, in the same order.",
                text().pattern(Some("^[A-Za-z0-9_-]*$")),
            ),
            parameter(
                "q",
                "Only items that contain this text, in upper or lower case: at most 256 characters.",
                text().max_length(Some(Q_MAX)).pattern(Some(r"^[^\u0000]*$")),
            ),
            parameter(
                "sort",
                "The order: a field's name, with `-` before it for descending.",
                text().enum_values(Some(names)).default(Some(S::DEFAULT.name().into())),
            ),
        ]
    }
}

/// Documents the parameter `limit`.
pub(crate) fn limit_parameter() -> Parameter {
    let number = ObjectBuilder::new().schema_type(Type::Integer);
    let bounds = number
        .minimum(Some(1))
        .maximum(Some(LIMIT_MAX as usize))
        .default(Some(LIMIT_DEFAULT.into()));
    parameter("limit", "How many items at most.", bounds)
}

/// Documents an optional parameter.
fn parameter(name: &str, description: &str, schema: ObjectBuilder) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(schema))
        .build()
}

/// Reads the parameters of a list. The caller may read more, and must then call `Query::finish`.
pub(crate) fn listing<S: SortKey>(query: &mut Query) -> Listing<S> {
    let limit = limit(query);
    let q = query.parse_text("q", search);
    let (sort, descending) = query
        .parse("sort", |text| {
            let (name, descending) = text.strip_prefix('-').map_or((text, false), |name| (name, true));
            let sort = S::ALL.iter().find(|sort| sort.name() == name).copied();
            sort.map(|sort| (sort, descending)).ok_or_else(|| {
                let names: Vec<&str> = S::ALL.iter().map(|sort| sort.name()).collect();
                format!("must be one of {}, with - before it for descending", names.join(", "))
            })
        })
        .unwrap_or((S::DEFAULT, false));
    let after = query.parse_text("cursor", |text| {
        let Cursor(name, down, after) = Cursor::decode(text).ok_or("is not a next_cursor of a page of this list")?;
        if name == sort.name() && down == descending && sort.matches(&after) {
            Ok(after)
        } else {
            Err("comes from a page in another order: keep sort the same from page to page".to_owned())
        }
    });
    Listing {
        limit,
        q,
        sort,
        descending,
        after,
    }
}

/// Reads the text to search for.
fn search(text: &str) -> Result<String, String> {
    if text.contains('\0') {
        return Err("must not contain NUL".to_owned());
    }
    let length = text.chars().count();
    if length > Q_MAX {
        return Err(format!("has {length} characters, at most {Q_MAX} are allowed"));
    }
    Ok(text.to_owned())
}

/// Reads the parameter `limit`.
pub(crate) fn limit(query: &mut Query) -> u32 {
    query
        .parse("limit", |text| {
            let limit = text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
            limit.ok_or_else(|| format!("must be a number from 1 to {LIMIT_MAX}"))
        })
        .unwrap_or(LIMIT_DEFAULT)
}

/// For lists that only have the shared parameters.
pub(crate) fn only_listing<S: SortKey>(mut query: Query) -> Result<Listing<S>, Problem> {
    let listing = listing(&mut query);
    query.finish()?;
    Ok(listing)
}

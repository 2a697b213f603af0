//! Lists, page by page.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::Query;
use super::problem::Problem;
use crate::database::keyset::{After, Listing, SortKey};

/// How many items a page has when the caller does not say.
const LIMIT_DEFAULT: u32 = 50;

/// The most that a page has.
const LIMIT_MAX: u32 = 500;

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<T> {
    /// The items, in the order asked for.
    pub(crate) items: Vec<T>,
    /// Where the next page begins; `null` at the end.
    #[schema(required)]
    pub(crate) next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// Makes a page of up to one item more than the page's limit: the one more says that there is a next page.
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
            .map(|last| cursor(listing.sort.name(), listing.descending, after(last)));
        Self {
            items: items.into_iter().map(render).collect(),
            next_cursor,
        }
    }
}

/// What a cursor holds: where the last page ended, and in which order, since it means nothing in another.
#[derive(Serialize, Deserialize)]
struct Cursor(String, bool, After);

fn cursor(sort: &str, descending: bool, after: After) -> String {
    let cursor = serde_json::to_vec(&Cursor(sort.to_owned(), descending, after)).unwrap_or_default();
    BASE64_URL_SAFE_NO_PAD.encode(cursor)
}

/// The parameters that all lists share.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "documents the parameters; they are read one by one to name each one's mistake"
)]
pub(crate) struct ListParameters {
    /// How many items at most.
    #[param(minimum = 1, maximum = 500, default = 50, required = false)]
    limit: u32,
    /// The `next_cursor` of the page before.
    #[param(required = false)]
    cursor: String,
    /// Only items that contain this text, in upper or lower case.
    #[param(required = false)]
    q: String,
    /// The order: a field's name, with `-` before it for descending.
    #[param(required = false, default = "id", example = "-created_at")]
    sort: String,
}

/// Reads the parameters of a list. `Query::finish` is left to the caller, who may take more.
pub(crate) fn listing<S: SortKey>(query: &mut Query) -> Listing<S> {
    let limit = limit(query);
    let q = query.take("q");
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
    let after = query.parse("cursor", |text| {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok();
        let Cursor(name, down, after) = bytes
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .ok_or("is no next_cursor of a page of this list")?;
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

/// Reads the parameter `limit`.
pub(crate) fn limit(query: &mut Query) -> u32 {
    query
        .parse("limit", |text| {
            let limit = text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
            limit.ok_or_else(|| format!("must be a number from 1 to {LIMIT_MAX}"))
        })
        .unwrap_or(LIMIT_DEFAULT)
}

/// For lists that take nothing but the shared parameters.
pub(crate) fn only_listing<S: SortKey>(mut query: Query) -> Result<Listing<S>, Problem> {
    let listing = listing(&mut query);
    query.finish()?;
    Ok(listing)
}

//! Lists by keyset: each page begins where the one before ended, so that it costs the same at any depth, and rows that
//! come or go meanwhile shift nothing.

pub use super::after::After;
use super::folding::fold;

/// Which part of a list, and in which order.
#[derive(Clone, Debug)]
pub struct Listing<S> {
    /// How many rows at most.
    pub limit: u32,
    /// Only rows that contain this text.
    pub q: Option<String>,
    pub sort: S,
    pub descending: bool,
    /// Only rows after this one.
    pub after: Option<After>,
}

impl<S> Listing<S> {
    /// What a query asks for: one row more says that there is a next page.
    pub(crate) fn fetch(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// The pattern of a `LIKE … ESCAPE '\'` that finds the text anywhere in a folded one, or in one of ASCII.
    pub(crate) fn pattern(&self) -> Option<String> {
        let q = self.q.as_ref()?;
        let mut pattern = String::from("%");
        for character in fold(q).chars() {
            if matches!(character, '%' | '_' | '\\') {
                pattern.push('\\');
            }
            pattern.push(character);
        }
        pattern.push('%');
        Some(pattern)
    }
}

/// The columns that a list can be sorted by.
pub trait SortKey: Copy + PartialEq + 'static {
    const ALL: &'static [Self];
    const DEFAULT: Self;

    /// The name as callers write it.
    fn name(self) -> &'static str;

    /// Whether a place is one in this order.
    fn matches(self, after: &After) -> bool;
}

/// Orders and bounds a boxed query by one column and the id.
macro_rules! keyset {
    ($query:expr, $column:expr, $id:expr, $descending:expr, $after:expr) => {{
        let query = $query;
        match ($descending, $after) {
            (false, None) => query.order(($column.asc(), $id.asc())),
            (true, None) => query.order(($column.desc(), $id.desc())),
            (false, Some((value, id))) => query
                .filter($column.gt(value.clone()).or($column.eq(value).and($id.gt(id))))
                .order(($column.asc(), $id.asc())),
            (true, Some((value, id))) => query
                .filter($column.lt(value.clone()).or($column.eq(value).and($id.lt(id))))
                .order(($column.desc(), $id.desc())),
        }
    }};
}
pub(crate) use keyset;

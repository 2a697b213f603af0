//! Lists by keyset: each page begins where the previous one ended. So it costs the same at any depth, and rows that are
//! added or deleted between two pages shift nothing.

use diesel::dsl::{And, Asc, Desc, Gt, GtEq, Lt, LtEq, Or, SqlTypeOf};
use diesel::expression::{AsExpression, Expression};
use diesel::query_dsl::methods::{FilterDsl, OrderDsl};
use diesel::sql_types::{BigInt, Bool, SingleValue, SqlType, Text};
use diesel::{BoolExpressionMethods as _, ExpressionMethods};

pub use super::after::After;
use super::folding::fold;

/// The requested part of a list, and its order.
#[derive(Clone, Debug)]
pub struct Listing<S> {
    /// The maximum number of rows.
    pub limit: u32,
    /// Only rows that contain this text.
    pub q: Option<String>,
    pub sort: S,
    pub descending: bool,
    /// Only rows after this one.
    pub after: Option<After>,
}

impl<S> Listing<S> {
    /// How many rows a query reads: one more than the page has shows that there is a next page.
    pub(crate) fn fetch(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// The pattern for `LIKE … ESCAPE '\'` that finds the text anywhere in a folded or an ASCII column.
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

    /// The column's name in requests.
    fn name(self) -> &'static str;

    /// Whether the column holds numbers; otherwise it holds texts.
    fn is_number(self) -> bool;

    /// Whether a place belongs to this order.
    fn matches(self, after: &After) -> bool {
        matches!(after, After::Number(..)) == self.is_number()
    }
}

/// A type of columns that lists can be sorted by.
pub(crate) trait Sortable: SqlType + SingleValue + Sized {
    type Value: AsExpression<Self> + Clone;

    /// The value and the id of a place, if its value has this column's type.
    fn of(after: &After) -> Option<(Self::Value, i64)>;
}

impl Sortable for BigInt {
    type Value = i64;

    fn of(after: &After) -> Option<(i64, i64)> {
        match after {
            After::Number(value, id) => Some((*value, *id)),
            After::Text(..) => None,
        }
    }
}

impl Sortable for Text {
    type Value = String;

    fn of(after: &After) -> Option<(String, i64)> {
        match after {
            After::Text(value, id) => Some((value.clone(), *id)),
            After::Number(..) => None,
        }
    }
}

/// A value of a column's type.
type Value<C> = <SqlTypeOf<C> as Sortable>::Value;

/// The rows after a place: a value that is not less (`E`), and greater (`G`) or, if it is the same, with a greater id (`H`).
/// The first condition follows from the second, but only by the first a database finds the place in an index.
type Beyond<E, G, H> = And<E, Or<G, H>>;

/// Sorts a boxed query by a column and then by the id, and begins it after the listing's place.
pub(crate) fn page<Q, C, I, S>(query: Q, column: C, id: I, listing: &Listing<S>) -> Q
where
    C: ExpressionMethods + Copy,
    SqlTypeOf<C>: Sortable,
    I: Expression<SqlType = BigInt> + Copy,
    GtEq<C, Value<C>>: Expression<SqlType = Bool>,
    LtEq<C, Value<C>>: Expression<SqlType = Bool>,
    Gt<C, Value<C>>: Expression<SqlType = Bool>,
    Lt<C, Value<C>>: Expression<SqlType = Bool>,
    Q: OrderDsl<(Asc<C>, Asc<I>), Output = Q>
        + OrderDsl<(Desc<C>, Desc<I>), Output = Q>
        + FilterDsl<Beyond<GtEq<C, Value<C>>, Gt<C, Value<C>>, Gt<I, i64>>, Output = Q>
        + FilterDsl<Beyond<LtEq<C, Value<C>>, Lt<C, Value<C>>, Lt<I, i64>>, Output = Q>,
{
    let after = listing.after.as_ref().and_then(SqlTypeOf::<C>::of);
    let query = match (after, listing.descending) {
        (None, _) => query,
        (Some((value, last)), false) => {
            let from = column.ge(value.clone());
            FilterDsl::filter(query, from.and(column.gt(value).or(id.gt(last))))
        }
        (Some((value, last)), true) => {
            let from = column.le(value.clone());
            FilterDsl::filter(query, from.and(column.lt(value).or(id.lt(last))))
        }
    };
    match listing.descending {
        false => OrderDsl::order(query, (column.asc(), id.asc())),
        true => OrderDsl::order(query, (column.desc(), id.desc())),
    }
}

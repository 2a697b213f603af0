//! Our own functions that SQL can call.

use diesel::QueryResult;

use crate::database::Connection;
use crate::database::folding;

#[diesel::declare_sql_function]
extern "SQL" {
    /// [`folding::fold`], for the migration that folded the existing names.
    fn fold(text: diesel::sql_types::Text) -> diesel::sql_types::Text;
}

pub(super) fn register(connection: &mut Connection) -> QueryResult<()> {
    fold_utils::register_impl(connection, |text: String| folding::fold(&text))
}

//! The board that carries a device.

use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::Text;
use jiff::Timestamp;

/// The board that carries a device, as the flash says that put it there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Board {
    /// Six bytes in lower-case hexadecimal digits, with colons between them.
    pub mac: String,
    /// The name of its chip in ESP-IDF.
    pub chip: String,
    /// When the flash ended and the board had the device's values. `None` if it has not ended, or failed half-way: it is
    /// then unknown what the board holds.
    pub flashed_at: Option<Timestamp>,
}

/// How a flash ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AsExpression, FromSqlRow)]
#[diesel(sql_type = Text)]
pub enum FlashOutcome {
    /// The values were written and verified.
    Written,
    /// The board already had them; nothing was written.
    Unchanged,
    Failed,
}

impl FlashOutcome {
    pub const ALL: [Self; 3] = [Self::Written, Self::Unchanged, Self::Failed];

    /// The text in the column and in requests.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
        }
    }

    /// When a board had the device's values, by the end of the flash that put them there.
    pub(crate) fn flashed_at(outcome: Option<Self>, ended_at: Option<Timestamp>) -> Option<Timestamp> {
        ended_at.filter(|_| matches!(outcome, Some(Self::Written | Self::Unchanged)))
    }

    /// The outcome of this name.
    pub fn with_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.name() == name)
    }
}

impl<DB: Backend> ToSql<Text, DB> for FlashOutcome
where
    str: ToSql<Text, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
        self.name().to_sql(out)
    }
}

impl<DB: Backend> FromSql<Text, DB> for FlashOutcome
where
    String: FromSql<Text, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
        let name = String::from_sql(bytes)?;
        Self::with_name(&name).ok_or_else(|| format!("{name:?} is not an outcome of a flash").into())
    }
}

//! A place in a list. It knows neither database nor server, so that the fuzz targets build it without them.

use serde::{Deserialize, Serialize};

/// A row's place in a list: what it is sorted by, and its id, which settles ties.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum After {
    Number(i64, i64),
    Text(String, i64),
}

impl After {
    pub(crate) fn number(after: Option<&Self>) -> Option<(i64, i64)> {
        match after {
            Some(Self::Number(value, id)) => Some((*value, *id)),
            _ => None,
        }
    }

    pub(crate) fn text(after: Option<&Self>) -> Option<(String, i64)> {
        match after {
            Some(Self::Text(value, id)) => Some((value.clone(), *id)),
            _ => None,
        }
    }
}

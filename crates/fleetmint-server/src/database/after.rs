//! A place in a list. It knows neither database nor server, so that the fuzz targets build it without them.

use serde::{Deserialize, Serialize};

/// A row's place in a list: what it is sorted by, and its id, which settles ties.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum After {
    Number(i64, i64),
    Text(String, i64),
}

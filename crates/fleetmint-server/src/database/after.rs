//! A place in a list. It depends on neither database nor server, so that the fuzz targets build it without them.

use serde::{Deserialize, Serialize};

/// A row's place in a list: the value that the list is sorted by, and the row's id, which orders equal values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum After {
    Number(i64, i64),
    Text(String, i64),
}

//! Lists, page by page.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::connection::{Call, Server};
use super::error::Error;

/// As many items as a page can have.
const LIMIT: usize = 500;

#[derive(Deserialize)]
struct Page<T> {
    items: Vec<T>,
    next_cursor: Option<String>,
}

/// The id that a reference is, if it is one: a number as the server writes it.
pub(super) fn id(reference: &str) -> Option<i64> {
    let id: i64 = reference.parse().ok()?;
    (id.to_string() == reference).then_some(id)
}

/// Reads a list, up to `most` items.
pub(super) fn list<T: DeserializeOwned>(
    server: &Server,
    path: &[&str],
    query: &[(&str, &str)],
    most: usize,
) -> Result<Vec<T>, Error> {
    let mut items = Vec::new();
    let mut cursor: Option<String> = None;
    while items.len() < most {
        let limit = (most - items.len()).min(LIMIT).to_string();
        let mut query = query.to_vec();
        query.push(("limit", &limit));
        query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page = Call {
            query: &query,
            ..Call::get(path)
        };
        let page: Page<T> = server.call(page)?.json()?;
        let count = page.items.len();
        items.extend(page.items);
        match page.next_cursor {
            // Otherwise the list might never end.
            Some(next) if count == 0 || cursor.as_ref() == Some(&next) => {
                return Err(Error::Strange(format!(
                    "{} does not answer as a Fleetmint server does: there is a page after an empty one, or after itself",
                    server.address()
                )));
            }
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    Ok(items)
}

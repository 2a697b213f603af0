use diesel::prelude::*;
use jiff::Timestamp;

use crate::database::schema::{client_secrets, clients};
use crate::database::{self, Connection};
use crate::identity::{Client, Error};

pub(super) fn insert_client(connection: &mut Connection, client: Client<'_>, now: Timestamp) -> Result<(), Error> {
    let inserted = diesel::insert_into(clients::table)
        .values((
            clients::client_id.eq(client.client_id),
            clients::device_key.eq(client.device_key),
            clients::enabled.eq(true),
            clients::created_at.eq(now.as_microsecond()),
        ))
        .execute(connection);
    match inserted.map_err(database::Error::from) {
        Ok(_) => Ok(()),
        Err(database::Error::Taken { .. }) => Err(Error::ForeignClient {
            client_id: client.client_id.to_owned(),
        }),
        Err(other) => Err(other.into()),
    }
}

pub(super) fn has_client(connection: &mut Connection, client_id: &str) -> Result<bool, database::Error> {
    let found = clients::table
        .find(client_id)
        .select(clients::client_id)
        .get_result::<String>(connection);
    Ok(found.optional()?.is_some())
}

/// Removes the client; its secrets go with it.
pub(super) fn delete_client(connection: &mut Connection, client_id: &str) -> Result<(), database::Error> {
    diesel::delete(clients::table.find(client_id)).execute(connection)?;
    Ok(())
}

pub(super) fn insert_secret(
    connection: &mut Connection,
    id: &str,
    client_id: &str,
    sealed: &[u8],
    now: Timestamp,
) -> Result<(), database::Error> {
    diesel::insert_into(client_secrets::table)
        .values((
            client_secrets::id.eq(id),
            client_secrets::client_id.eq(client_id),
            client_secrets::secret.eq(sealed),
            client_secrets::created_at.eq(now.as_microsecond()),
        ))
        .execute(connection)?;
    Ok(())
}

/// Id and sealed bytes of the newest secret. Without `LIMIT`, which would be prepared anew for each query; a client
/// has one secret, or two while they are rotated.
pub(super) fn newest_secret(
    connection: &mut Connection,
    client_id: &str,
) -> Result<Option<(String, Vec<u8>)>, database::Error> {
    let secrets = client_secrets::table
        .filter(client_secrets::client_id.eq(client_id))
        .order((client_secrets::created_at.desc(), client_secrets::id))
        .select((client_secrets::id, client_secrets::secret))
        .load::<(String, Vec<u8>)>(connection)?;
    Ok(secrets.into_iter().next())
}

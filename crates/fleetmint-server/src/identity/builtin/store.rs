use jiff::Timestamp;

use crate::database::prelude::*;
use crate::database::schema::{client_secrets, clients, signing_keys};
use crate::database::{self, Connection};
use crate::identity::Client;

#[derive(Queryable)]
pub(super) struct ClientRow {
    pub(super) device_key: String,
    pub(super) enabled: bool,
}

/// One of a client's secrets.
#[derive(Queryable)]
pub(crate) struct SecretRow {
    pub(super) id: String,
    /// Sealed.
    pub(super) secret: Vec<u8>,
    expires_at: Option<i64>,
}

impl SecretRow {
    pub(crate) const COLUMNS: (client_secrets::id, client_secrets::secret, client_secrets::expires_at) =
        (client_secrets::id, client_secrets::secret, client_secrets::expires_at);

    pub(super) fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at
            .is_none_or(|expires_at| now.as_microsecond() < expires_at)
    }
}

#[derive(Queryable)]
pub(super) struct SigningKeyRow {
    pub(super) kid: String,
    /// Sealed.
    pub(super) secret: Vec<u8>,
}

pub(super) fn find(connection: &mut Connection, client_id: &str) -> Result<Option<ClientRow>, database::Error> {
    let query = clients::table
        .find(client_id)
        .select((clients::device_key, clients::enabled));
    Ok(query.get_result(connection).optional()?)
}

/// Inserts a client, unless one has this name. Returns whether it was inserted.
pub(super) fn insert(connection: &mut Connection, client: Client<'_>, now: Timestamp) -> Result<bool, database::Error> {
    let inserted = diesel::insert_into(clients::table)
        .values((
            clients::client_id.eq(client.client_id),
            clients::device_key.eq(client.device_key),
            clients::enabled.eq(true),
            clients::created_at.eq(now.as_microsecond()),
        ))
        .on_conflict(clients::client_id)
        .do_nothing()
        .execute(connection)?;
    Ok(inserted == 1)
}

/// Its secrets are deleted with it.
pub(super) fn delete(connection: &mut Connection, client_id: &str) -> Result<(), database::Error> {
    diesel::delete(clients::table.find(client_id)).execute(connection)?;
    Ok(())
}

/// Enables a client that is disabled. Says whether it was.
pub(super) fn enable(connection: &mut Connection, client_id: &str) -> Result<bool, database::Error> {
    let disabled = clients::table.find(client_id).filter(clients::enabled.eq(false));
    let changed = diesel::update(disabled)
        .set(clients::enabled.eq(true))
        .execute(connection)?;
    Ok(changed == 1)
}

/// Whether there is such a client.
pub(super) fn set_enabled(
    connection: &mut Connection,
    client_id: &str,
    enabled: bool,
) -> Result<bool, database::Error> {
    let changed = diesel::update(clients::table.find(client_id))
        .set(clients::enabled.eq(enabled))
        .execute(connection)?;
    Ok(changed > 0)
}

/// A client's secrets, newest first: one, or two while they are rotated.
pub(super) fn secrets(connection: &mut Connection, client_id: &str) -> Result<Vec<SecretRow>, database::Error> {
    let query = client_secrets::table
        .filter(client_secrets::client_id.eq(client_id))
        .order((client_secrets::created_at.desc(), client_secrets::id.desc()))
        .select(SecretRow::COLUMNS);
    Ok(query.load(connection)?)
}

/// Inserts a secret, unless there is one with this id. Says whether there was none.
pub(super) fn insert_secret(
    connection: &mut Connection,
    id: &str,
    client_id: &str,
    sealed: &[u8],
    now: Timestamp,
) -> Result<bool, database::Error> {
    let inserted = diesel::insert_into(client_secrets::table)
        .values((
            client_secrets::id.eq(id),
            client_secrets::client_id.eq(client_id),
            client_secrets::secret.eq(sealed),
            client_secrets::created_at.eq(now.as_microsecond()),
        ))
        .on_conflict(client_secrets::id)
        .do_nothing()
        .execute(connection)?;
    Ok(inserted == 1)
}

/// All signing keys, newest first.
pub(super) fn signing_keys(connection: &mut Connection) -> Result<Vec<SigningKeyRow>, database::Error> {
    let query = signing_keys::table
        .order((signing_keys::created_at.desc(), signing_keys::kid.desc()))
        .select((signing_keys::kid, signing_keys::secret));
    Ok(query.load(connection)?)
}

/// The ids of all signing keys, newest first.
pub(super) fn signing_key_ids(connection: &mut Connection) -> Result<Vec<String>, database::Error> {
    let query = signing_keys::table
        .order((signing_keys::created_at.desc(), signing_keys::kid.desc()))
        .select(signing_keys::kid);
    Ok(query.load(connection)?)
}

/// Inserts the first signing key, unless there is one. Says whether there was none.
pub(super) fn insert_first_signing_key(
    connection: &mut Connection,
    kid: &str,
    sealed: &[u8],
    now: Timestamp,
) -> Result<bool, database::Error> {
    let inserted = diesel::insert_into(signing_keys::table)
        .values((
            signing_keys::kid.eq(kid),
            signing_keys::secret.eq(sealed),
            signing_keys::created_at.eq(now.as_microsecond()),
            signing_keys::is_first.eq(true),
        ))
        .on_conflict(signing_keys::is_first)
        .do_nothing()
        .execute(connection)?;
    Ok(inserted == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::race::Race;

    #[test]
    fn a_client_is_created_once() {
        let race = Race::new("");
        for n in 0..20 {
            race.has_one_winner(|connection| {
                let client = Client {
                    client_id: &format!("c{n}"),
                    device_key: &format!("k{n}"),
                    provider_ref: None,
                };
                insert(connection, client, Timestamp::UNIX_EPOCH).unwrap()
            });
        }
    }
}

use diesel::migration::{Migration, MigrationSource};
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::functions;
use crate::database::{Connection, OpenError};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// Refuses a database whose schema is not this program's.
pub(super) fn check(connection: &mut Connection) -> Result<(), OpenError> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| OpenError::Migration(error.to_string());
    refuse_newer(connection)?;
    match connection.has_pending_migration(MIGRATIONS).map_err(failed)? {
        true => Err(OpenError::Older),
        false => Ok(()),
    }
}

/// Applies the missing migrations; refuses a database with migrations that this program does not know.
pub(super) fn run(connection: &mut Connection) -> Result<(), OpenError> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| OpenError::Migration(error.to_string());
    refuse_newer(connection)?;
    functions::register(connection).map_err(|error| failed(error.into()))?;
    for version in connection.run_pending_migrations(MIGRATIONS).map_err(failed)? {
        tracing::info!(%version, "applied a migration of the database");
    }
    Ok(())
}

fn refuse_newer(connection: &mut Connection) -> Result<(), OpenError> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| OpenError::Migration(error.to_string());
    let known: Vec<Box<dyn Migration<Sqlite>>> = MIGRATIONS.migrations().map_err(failed)?;
    let applied = connection.applied_migrations().map_err(failed)?;
    for version in &applied {
        if !known.iter().any(|migration| migration.name().version() == *version) {
            return Err(OpenError::Newer {
                version: version.to_string(),
            });
        }
    }
    Ok(())
}

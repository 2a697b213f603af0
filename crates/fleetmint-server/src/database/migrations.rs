use diesel::migration::{Migration, MigrationSource};
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::{Connection, OpenError};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// Applies what is missing; refuses a database that has more than this program knows.
pub(super) fn run(connection: &mut Connection) -> Result<(), OpenError> {
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
    for version in connection.run_pending_migrations(MIGRATIONS).map_err(failed)? {
        tracing::info!(%version, "applied a migration of the database");
    }
    Ok(())
}

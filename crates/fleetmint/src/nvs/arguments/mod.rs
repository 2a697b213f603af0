//! What several subcommands take.

pub(super) mod image;
pub(super) mod keys;
pub(super) mod outdir;
pub(super) mod size;
pub(super) mod tables;

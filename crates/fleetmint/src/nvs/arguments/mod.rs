//! The arguments that several subcommands share.

pub(super) mod image;
pub(crate) mod keys;
pub(super) mod opened_as;
pub(super) mod outdir;
pub(crate) mod tables;

//! The arguments that several subcommands share.

pub(super) mod image;
pub(super) mod keys;
pub(super) mod opened_as;
pub(super) mod outdir;
pub(super) mod tables;

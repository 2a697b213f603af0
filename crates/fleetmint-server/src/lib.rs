//! The Fleetmint service as a library: one room per noun.

pub mod access;
pub mod app;
pub mod audit;
pub mod change;
pub mod config;
pub mod data_folder;
pub mod database;
mod descriptors;
pub mod devices;
pub mod enrolment;
pub mod failpoint;
mod failures;
pub mod http;
pub mod idempotency;
pub mod identity;
pub mod instance;
pub mod metrics;
pub mod models;
mod name;
pub mod operation;
pub mod provisioning;
pub mod seal;
pub mod secret;
pub mod serve;
pub mod source;
pub mod version;
pub mod violation;

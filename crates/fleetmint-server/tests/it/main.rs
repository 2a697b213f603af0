//! The service over HTTP, one file per noun. One binary: it links once, and all tests share one log, which must not
//! contain any secret.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test panics where it fails"
)]

mod harness;

mod access;
mod adoption;
mod answers;
mod audit;
mod boards;
mod clients;
mod compression;
mod connections;
mod devices;
mod documentation;
mod enrolment;
mod first_device;
mod health;
mod idempotency;
mod identity;
mod keycloak;
mod metrics;
mod models;
mod openapi;
mod page;
mod patch;
mod problems;
mod provisioning;
mod requests;
mod reverse_proxy;
mod rooms;
mod sessions;
mod settings;
mod source;
mod token;

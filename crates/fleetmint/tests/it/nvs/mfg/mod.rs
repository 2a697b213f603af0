//! `fleetmint nvs mfg`, one file for each of its commands.

mod generate;
mod generate_key;

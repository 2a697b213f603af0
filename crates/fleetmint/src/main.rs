//! The program: one file per subcommand.

mod admin;
mod exit;
mod log;
mod nvs;
mod serve;
mod settings;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Gives every ESP32 in a fleet an identity of its own, and gets it onto the chip.
#[derive(Debug, Parser)]
#[command(name = "fleetmint", version, propagate_version = true, max_term_width = 100)]
struct Program {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    /// Look after a server's data, also beside the running server
    #[command(subcommand)]
    Admin(admin::Command),
    /// Make and read NVS partition images, without a server
    #[command(subcommand)]
    Nvs(nvs::Command),
}

fn main() -> ExitCode {
    let outcome = match Program::parse().command {
        Command::Serve(command) => serve::run(&command),
        Command::Admin(command) => admin::run(&command),
        Command::Nvs(command) => nvs::run(&command),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.message.is_empty() {
                eprintln!("fleetmint: {}", failure.message);
            }
            ExitCode::from(failure.exit)
        }
    }
}

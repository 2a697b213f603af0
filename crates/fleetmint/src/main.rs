//! The program: one file per subcommand.

#[cfg(feature = "serve")]
mod admin;
#[cfg(feature = "serve")]
mod adopt;
#[cfg(feature = "cable")]
mod board;
#[cfg(feature = "cable")]
mod chip;
#[cfg(feature = "client")]
mod client;
mod completions;
#[cfg(any(feature = "cable", feature = "client"))]
mod confirm;
#[cfg(feature = "client")]
mod device;
mod exit;
mod files;
#[cfg(all(feature = "cable", feature = "client"))]
mod flash;
#[cfg(feature = "cable")]
#[cfg_attr(
    not(feature = "client"),
    allow(dead_code, reason = "flash begins journals, and needs the client too")
)]
mod journal;
#[cfg(any(feature = "client", feature = "serve"))]
mod local_server;
#[cfg(feature = "serve")]
mod log;
#[cfg(feature = "client")]
mod login;
#[cfg(feature = "client")]
mod logout;
mod man;
#[cfg(feature = "client")]
mod model;
mod nvs;
#[cfg(feature = "client")]
mod override_arguments;
mod page;
#[cfg(feature = "client")]
mod records;
#[cfg(feature = "serve")]
mod serve;
#[cfg(feature = "serve")]
mod settings;
#[cfg(unix)]
mod signals;
mod size;
mod standard_output;
#[cfg(feature = "serve")]
mod stop;
mod system_error;
mod terminal;
#[cfg(feature = "client")]
mod whoami;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use fleetmint_board::escape;

/// glibc returns the memory of each answer to the system, and requests it again for the next answer.
#[cfg(feature = "serve")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Gives every ESP32 in a fleet its own identity, and writes it to the chip
#[derive(Debug, Parser)]
#[command(name = "fleetmint", version, propagate_version = true, max_term_width = 100)]
struct Program {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[cfg(feature = "serve")]
    Serve(serve::Serve),
    /// Maintain a server's data, also while the server runs
    #[cfg(feature = "serve")]
    #[command(subcommand)]
    Admin(admin::Command),
    #[cfg(feature = "serve")]
    Adopt(adopt::Adopt),
    #[cfg(all(feature = "cable", feature = "client"))]
    Flash(flash::Arguments),
    #[cfg(feature = "cable")]
    #[command(subcommand)]
    Board(board::Command),
    #[command(subcommand)]
    Nvs(nvs::Command),
    #[cfg(feature = "client")]
    Login(login::Arguments),
    #[cfg(feature = "client")]
    Logout(logout::Arguments),
    #[cfg(feature = "client")]
    Whoami(whoami::Arguments),
    #[cfg(feature = "client")]
    #[command(subcommand)]
    Model(model::Command),
    #[cfg(feature = "client")]
    #[command(subcommand)]
    Device(device::Command),
    #[command(subcommand)]
    Page(page::Command),
    Completions(completions::Arguments),
    Man(man::Arguments),
}

fn main() -> ExitCode {
    let program = match Program::try_parse() {
        Ok(program) => program,
        Err(error) => return refuse(&error),
    };
    let outcome = match program.command {
        #[cfg(feature = "serve")]
        Command::Serve(command) => serve::run(&command),
        #[cfg(feature = "serve")]
        Command::Admin(command) => admin::run(&command),
        #[cfg(feature = "serve")]
        Command::Adopt(command) => adopt::run(&command),
        #[cfg(all(feature = "cable", feature = "client"))]
        Command::Flash(arguments) => flash::run(&arguments),
        #[cfg(feature = "cable")]
        Command::Board(command) => board::run(&command),
        Command::Nvs(command) => nvs::run(&command),
        #[cfg(feature = "client")]
        Command::Login(arguments) => login::run(&arguments),
        #[cfg(feature = "client")]
        Command::Logout(arguments) => logout::run(&arguments),
        #[cfg(feature = "client")]
        Command::Whoami(arguments) => whoami::run(&arguments),
        #[cfg(feature = "client")]
        Command::Model(command) => model::run(&command),
        #[cfg(feature = "client")]
        Command::Device(command) => device::run(&command),
        Command::Page(command) => page::run(&command),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Man(arguments) => man::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => fail(&failure),
    }
}

fn fail(failure: &exit::Failure) -> ExitCode {
    if !failure.message.is_empty() {
        terminal::say(format_args!("fleetmint: {}", failure.message));
    }
    ExitCode::from(failure.exit)
}

/// Prints the help, or the error of a call. An error may contain the name of a file, which is escaped.
fn refuse(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        let outcome = standard_output::expect_open()
            .and_then(|()| error.print())
            .and_then(|()| std::io::stdout().flush());
        return match standard_output::answered(outcome) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => fail(&failure),
        };
    }
    let seen = |argument: std::ffi::OsString| {
        let argument = argument.to_string_lossy();
        !argument.chars().any(escape::is_unseen)
    };
    if std::env::args_os().all(seen) {
        error.exit();
    }
    let text = error.render().to_string();
    let _ = write!(std::io::stderr(), "{}", escape::lines(&text));
    ExitCode::from(2)
}

#[cfg(test)]
mod tests {
    use clap::{Arg, CommandFactory as _};

    use super::Program;

    /// The narrowest terminal that the help is written for.
    const COLUMNS: usize = 80;

    /// clap wraps each line separately: it wraps a paragraph with line breaks a second time, and breaks the columns of a table
    /// or an example that is too wide.
    fn check(whose: &str, text: &str) {
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let next = lines.peek().copied().unwrap_or_default();
            if line.is_empty() {
                continue;
            }
            if line.starts_with(' ') {
                assert!(
                    line.chars().count() <= COLUMNS,
                    "{whose}: too wide for a terminal: {line}"
                );
            } else {
                let introduces = line.ends_with(':') && next.starts_with(' ');
                assert!(
                    next.is_empty() || introduces,
                    "{whose}: a line break inside a paragraph: {line}\n{next}"
                );
            }
        }
    }

    fn check_all(command: &clap::Command, path: &str) {
        let path = format!("{path} {}", command.get_name());
        let own = [
            command.get_before_help(),
            command.get_before_long_help(),
            command.get_about(),
            command.get_long_about(),
            command.get_after_help(),
            command.get_after_long_help(),
        ];
        own.into_iter()
            .flatten()
            .for_each(|text| check(&path, &text.to_string()));
        for argument in command.get_arguments() {
            let whose = format!("{path} {}", argument.get_id());
            for text in [Arg::get_help(argument), argument.get_long_help()]
                .into_iter()
                .flatten()
            {
                check(&whose, &text.to_string());
            }
        }
        command.get_subcommands().for_each(|command| check_all(command, &path));
    }

    #[test]
    fn help_texts_leave_the_wrapping_to_the_terminal() {
        let mut program = Program::command();
        program.build();
        check_all(&program, "");
    }
}

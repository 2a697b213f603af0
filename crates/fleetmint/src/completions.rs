//! `fleetmint completions`: scripts with which a shell completes commands and options.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::exit::Failure;
use crate::terminal;

/// Print the completions for a shell
///
/// With them, Tab completes commands, options and file names.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  source <(fleetmint completions bash)
  fleetmint completions bash \\
    > ~/.local/share/bash-completion/completions/fleetmint
  fleetmint completions zsh > ~/.zfunc/_fleetmint
  fleetmint completions fish > ~/.config/fish/completions/fleetmint.fish

The first command is only for the current session. zsh needs ~/.zfunc in $fpath.")]
pub(crate) struct Arguments {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut crate::Program::command(),
        "fleetmint",
        &mut script,
    );
    terminal::print(&String::from_utf8_lossy(&script))
}

//! Questions to the person at the terminal, before something that cannot be undone.

use std::io::{self, IsTerminal, Write};

use crate::exit::Failure;
use crate::terminal;

/// That a person can be asked later, or need not be: what is wrong with a call should be known before a board is reset.
///
/// # Errors
/// Standard input is not a terminal, or is taken for something else.
#[cfg(feature = "cable")]
pub(crate) fn expect_answer(not_asked: bool, input_is_taken: bool) -> Result<(), Failure> {
    if not_asked || (io::stdin().is_terminal() && !input_is_taken) {
        return Ok(());
    }
    Err(Failure::unusable(
        "nobody can be asked here, because standard input is not a terminal: give --yes, or --dry-run to see what would change",
    ))
}

/// Asks whether to go on. With `--yes` nobody is asked; without a terminal, nobody can be.
///
/// # Errors
/// The answer is no, or there is nobody to ask.
pub(crate) fn confirm(question: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Failure::unusable(format_args!(
            "{question} Standard input is not a terminal, so nobody can answer: use --yes"
        )));
    }
    let mut error = io::stderr();
    let mut answer = String::new();
    let asked = write!(error, "{} [y/N] ", fleetmint_board::escape::line(question)).and_then(|()| error.flush());
    asked
        .and_then(|()| io::stdin().read_line(&mut answer))
        .map_err(|error| Failure::unusable(format_args!("standard input: {}", crate::system_error::reason(&error))))?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => {
            terminal::say("nothing was changed");
            Err(Failure::no(""))
        }
    }
}

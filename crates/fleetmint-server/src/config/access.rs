//! `[access]`: who may call.

use super::Error;
use super::values::Values;
use crate::secret::Secret;

/// The shortest administrator token: a shorter one that a person invented can be guessed.
const TOKEN_MIN: usize = 24;

/// The default number of refused calls in a minute after which calls from one address wait.
const REFUSALS_DEFAULT: u32 = 20;

#[derive(Clone, Debug)]
pub struct Access {
    /// The administrator token. If it is not set, one is created and stored in `<data.dir>/admin-token`.
    pub bootstrap_token: Option<Secret>,
    /// The number of refused calls in a minute after which calls from one address wait; 0 is no limit.
    pub refusals_per_minute: u32,
}

impl Access {
    pub(super) fn take(values: &mut Values) -> Result<Self, Error> {
        Ok(Self {
            bootstrap_token: values.secret("access.bootstrap_token", token)?,
            refusals_per_minute: values
                .number("access.refusals_per_minute", refusals)?
                .unwrap_or(REFUSALS_DEFAULT),
        })
    }
}

/// A token must be able to follow `Bearer ` in a header.
fn token(token: &Secret) -> Result<Secret, String> {
    if token.expose().is_empty() {
        return Err("must not be empty".to_owned());
    }
    if !token.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("must consist of visible ASCII characters, without spaces".to_owned());
    }
    match token.expose().len() {
        TOKEN_MIN.. => Ok(token.clone()),
        length => Err(format!(
            "must have at least {TOKEN_MIN} characters, and be random; this one has {length}"
        )),
    }
}

fn refusals(number: f64) -> Result<u32, String> {
    const MOST: u32 = 1_000_000;
    if number.fract() == 0.0 && (0.0..=f64::from(MOST)).contains(&number) {
        Ok(number as u32)
    } else {
        Err(format!("must be a whole number from 0 to {MOST}"))
    }
}

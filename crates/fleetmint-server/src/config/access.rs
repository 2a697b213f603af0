//! `[access]`: who may call.

use super::values::Values;
use super::{Error, Warning};
use crate::secret::Secret;

/// A shorter token than this could be guessed, one request at a time.
const SAFE_TOKEN_BYTES: usize = 16;

#[derive(Clone, Debug)]
pub struct Access {
    /// The administrator token. If it is not set, one is made and kept in `<data.dir>/admin-token`.
    pub bootstrap_token: Option<Secret>,
}

impl Access {
    pub(super) fn take(values: &mut Values) -> Result<Self, Error> {
        const KEY: &str = "access.bootstrap_token";
        let origin = values.origin(KEY);
        let bootstrap_token = values.secret(KEY, token)?;
        if let Some(length) = bootstrap_token.as_ref().map(|token| token.expose().len())
            && length < SAFE_TOKEN_BYTES
        {
            values.warnings.push(Warning {
                origin,
                key: KEY,
                message: format!("{length} characters can be guessed; use at least {SAFE_TOKEN_BYTES} random ones"),
            });
        }
        Ok(Self { bootstrap_token })
    }
}

/// What can stand after `Bearer ` in a header.
fn token(token: &Secret) -> Result<Secret, String> {
    if token.expose().is_empty() {
        return Err("must not be empty".to_owned());
    }
    if token.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(token.clone())
    } else {
        Err("must consist of visible ASCII characters, without blanks".to_owned())
    }
}

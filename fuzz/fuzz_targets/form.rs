//! Any bytes as the token endpoint's form and as its HTTP Basic header: the form agrees with a plain reading of the
//! whole body, and everything that a client encodes is decoded again.
#![no_main]

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use form::{Error, Form, PARAMETERS_MAX};
use libfuzzer_sys::fuzz_target;

#[path = "../../crates/fleetmint-server/src/identity/builtin/form.rs"]
mod form;

fuzz_target!(|data: &[u8]| {
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(data).into_owned().collect();
    let by_name: BTreeMap<&str, &str> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
    match Form::parse(data) {
        Ok(form) => {
            assert!(pairs.len() <= PARAMETERS_MAX);
            assert_eq!(by_name.len(), pairs.len(), "a parameter came twice");
            let wanted = |name| by_name.get(name).copied().filter(|value| !value.is_empty());
            assert_eq!(form.grant_type.as_deref(), wanted("grant_type"));
            assert_eq!(form.client_id.as_deref(), wanted("client_id"));
            assert_eq!(
                form.client_secret.as_ref().map(|secret| secret.as_str()),
                wanted("client_secret")
            );
            assert_eq!(form.scope.as_deref(), wanted("scope"));
        }
        Err(Error::TooMany) => assert!(pairs.len() > PARAMETERS_MAX),
        Err(Error::Twice) => assert!(by_name.len() < pairs.len()),
    }

    let _ = form::basic(&String::from_utf8_lossy(data));
    let _ = form::basic(&format!("Basic {}", BASE64_STANDARD.encode(data)));
    let text = String::from_utf8_lossy(data);
    let (id, secret) = text.split_once('\n').unwrap_or((&text, ""));
    let encoded = |part: &str| url::form_urlencoded::byte_serialize(part.as_bytes()).collect::<String>();
    let header = BASE64_STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret)));
    let (read_id, read_secret) = form::basic(&format!("Basic {header}")).expect("what a client sends");
    assert_eq!((read_id.as_str(), read_secret.as_str()), (id, secret));
});

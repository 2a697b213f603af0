//! `fleetmint nvs mfg`: images for many devices.

#[allow(dead_code, unused_imports, reason = "the run of nvs mfg is being built")]
mod labels;
#[allow(dead_code, reason = "the run of nvs mfg is being built")]
mod tar;

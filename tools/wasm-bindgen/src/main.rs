//! `fleetmint-wasm-bindgen MODULE.wasm FOLDER`: writes the module and the JavaScript that calls it.

use std::env::args;
use std::process::ExitCode;

use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let arguments: Vec<String> = args().skip(1).collect();
    let [module, folder] = arguments.as_slice() else {
        eprintln!("usage: fleetmint-wasm-bindgen MODULE.wasm FOLDER");
        return ExitCode::from(2);
    };
    let mut bindgen = Bindgen::new();
    let made = bindgen.input_path(module).web(true).and_then(|bindgen| {
        bindgen
            .typescript(true)
            // The page gives the module itself: fetched, or from its own script where there is no server.
            .omit_default_module_path(true)
            .remove_name_section(true)
            .remove_producers_section(true)
            .generate(folder)
    });
    match made {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fleetmint-wasm-bindgen: {error:#}");
            ExitCode::FAILURE
        }
    }
}

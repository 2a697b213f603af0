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
    let made = bindgen
        .input_path(module)
        .web(true)
        .map(|bindgen| {
            bindgen
                .remove_name_section(true)
                .remove_producers_section(true)
                .omit_default_module_path(true)
        })
        .and_then(|bindgen| bindgen.generate(folder));
    match made {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fleetmint-wasm-bindgen: {error:#}");
            ExitCode::FAILURE
        }
    }
}

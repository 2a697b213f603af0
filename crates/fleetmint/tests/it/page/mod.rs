mod build_script;
mod export;

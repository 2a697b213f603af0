mod decrypt;
mod encrypt;
mod generate;
mod generate_key;

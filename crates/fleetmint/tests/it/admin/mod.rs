mod backup;
mod reset_token;

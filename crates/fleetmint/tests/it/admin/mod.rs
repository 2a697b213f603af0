mod reset_token;

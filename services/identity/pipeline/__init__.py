"""What happens in which order: logins, sessions, second factors, API keys, users, signing keys."""

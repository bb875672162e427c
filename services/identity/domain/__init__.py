"""Users, sessions, second factors, API keys, signing keys, attempts. No I/O, no clock."""

"""Orders and their log in Postgres."""

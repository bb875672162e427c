"""Postgres: connections and transactions, migrations, group commit, the event log and cursors on it."""

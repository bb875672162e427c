# ruff: noqa: INP001 - Alembic loads it by path
"""Runs migrations on the connection that the runner hands over; every service shares this file."""

from alembic import context

connection = context.config.attributes["connection"]
schema = context.config.attributes["schema"]

context.configure(
    connection=connection,
    version_table="schema_version",
    version_table_schema=schema,
    transaction_per_migration=False,
)
context.run_migrations()

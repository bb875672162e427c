"""Postgres: instruments, and history in partitions of time."""

"""A program that a fork server imports and runs, in tests of it."""

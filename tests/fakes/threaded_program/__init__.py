"""A program that starts a thread when it is imported, which a fork server must refuse."""

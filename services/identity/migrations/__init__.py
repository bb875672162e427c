"""The schema `identity`."""

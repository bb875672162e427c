"""The schema `identity`: SQL in and out of the domain's objects."""

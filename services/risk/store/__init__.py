"""The schema `risk`: SQL in and out of the domain's objects."""

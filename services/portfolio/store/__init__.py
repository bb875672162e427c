"""SQL in and out of domain objects."""

"""Other services, as ports that the pipeline needs."""

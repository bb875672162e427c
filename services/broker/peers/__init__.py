"""Other services and venues, as the ports that the pipeline needs."""

"""Other services, as the ports that the pipeline needs."""

"""What happens in which order: sessions to venues, the routing of commands, the care of connections."""

"""What health and metrics mean, without asking anybody."""

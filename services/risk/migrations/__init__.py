"""The schema `risk`."""

"""The schema `broker`."""

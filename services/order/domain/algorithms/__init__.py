"""Algorithms that work an order over time: what should be done by when, and what to do about it now. Pure."""

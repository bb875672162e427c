"""Seeded agents that make a market: makers quote, takers trade, noise comes and goes."""

"""Recorded order-by-order data, checked against its published book or played into the matching engine."""

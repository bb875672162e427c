"""Turns the contracts in `proto/` into everything generated in `gen/`, and checks them."""

"""The schema `marketdata`."""

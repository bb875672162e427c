"""The command `ordermesh`."""

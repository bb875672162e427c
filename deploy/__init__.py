"""How Ordermesh is put on machines."""

"""The doors: unary calls, and streams that are encoded once for all of their readers."""

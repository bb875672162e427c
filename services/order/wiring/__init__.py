"""The stages in which `__main__` wires OrderService, and that nothing else imports."""

"""OrderService: places and cancels orders, owns the order log, and tells it."""

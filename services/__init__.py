"""Everything that runs in Python; `services/README.md` is the map."""

import gc

# Python looks for cycles of garbage after 700 new objects. That is all the time: while modules load, and with each
# batch of orders, which are thousands of objects and no cycles. It took a third of the time in which fills are booked.
gc.set_threshold(50_000, 20, 50)

"""Everything that runs in Python; `services/README.md` is the map."""

import gc

# Python looks for cycles of garbage after 700 new objects. That is all the time: while modules load, and with each
# batch of orders, which are thousands of objects and no cycles. It took a third of the time in which fills are booked.
#
# Few of a thing that makes many lasting objects are looked at together: the process stands still meanwhile. An open
# stream is more than a hundred of them, and after a million of them at once a busy service was silent for seconds.
gc.set_threshold(50_000, 4, 250)

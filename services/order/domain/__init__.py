"""What the business says about orders: terms, rules, states and events. Pure: no I/O, no clock."""

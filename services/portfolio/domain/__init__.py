"""The business of holding: bookkeeping by average cost, and valuation. Pure."""

"""The matching engine, as the venue that lists instruments and as the source of the feed."""

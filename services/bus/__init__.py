"""The bus: committed events on Redis Streams, and the conflating fan-out of market data. Nothing here is the truth."""

"""What happens in which order: the feed moves markets, readers and the recorder are told, instruments are listed."""

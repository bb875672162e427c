"""What market data means: instruments, books, trades, candles, days. Pure: integers and decimals, no clock, no I/O."""

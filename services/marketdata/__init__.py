"""MarketDataService: instruments, quotes, order books, public trades and candles, live and from history."""

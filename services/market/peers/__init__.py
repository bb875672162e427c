"""Who the simulated market talks to: the engine and MarketDataService."""

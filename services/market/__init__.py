"""The simulated market: seeded agents that trade in the engine, and replays of recorded order flow."""

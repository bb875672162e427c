"""Limits, exposure, checks, circuit breakers and alerts. No I/O, no clock."""

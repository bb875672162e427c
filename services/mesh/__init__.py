"""Servers and clients of the mesh: building them, what happens around each call, configuration, telemetry, main."""

"""Everything that runs in Python; `services/README.md` is the map."""

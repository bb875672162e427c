"""Everything on one machine: starts, watches and stops the real parts of the mesh.

The real parts come as wheels (Postgres, Redis, Envoy) or from this repository (the engine, the services). What is
here starts them as child processes that never outlive their parent.
"""

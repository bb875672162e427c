"""Everything on one machine: starts, watches and stops the real parts of the mesh.

The real parts come as wheels (Postgres, Redis, Envoy) or from this repository (the engine, the services). What is
here starts them as child processes that never outlive their parent.
"""

import os

# Children that run as another account are forked, and gRPC's fork handlers abort such a child now and then when the
# probes are calling meanwhile. Our children never use the parent's gRPC; it reads this when it is first used.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

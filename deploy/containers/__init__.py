"""The mesh in containers, and what of it is no container's own: who they are to each other."""

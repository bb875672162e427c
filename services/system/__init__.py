"""SystemService: how the mesh as a whole is doing."""

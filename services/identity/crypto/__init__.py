"""What libraries do for us: Argon2id, JSON Web Tokens."""

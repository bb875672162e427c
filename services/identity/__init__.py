"""IdentityService: who callers are, and the tokens that prove it."""

"""What happens in which order: the domain decides, the store commits, callers and peers are told."""

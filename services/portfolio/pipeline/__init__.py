"""What happens in which order: fills are booked, values follow, readers are told."""

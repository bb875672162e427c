"""What happens in which order: reservations, settlements, breakers, alerts, and what is kept."""

"""What is sent to a venue, what it reports, what a connection is, and what its books come to. No I/O, no clock."""

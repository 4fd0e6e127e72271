"""A room of its own."""

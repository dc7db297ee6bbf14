"""What takes up a tracer."""

"""What the bone is worth: density, height loss, fracture, rigidity."""

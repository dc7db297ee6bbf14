"""The arch and its parts: what lies behind the body, told apart from the mask alone."""

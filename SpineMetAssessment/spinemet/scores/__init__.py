"""The published rules, as pure functions of measurements and answers."""

"""Held instances: staff sees them, looks at them, releases or discards them."""

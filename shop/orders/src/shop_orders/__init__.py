"""Orders of the shop and their states."""

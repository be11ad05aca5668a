"""A walk through the shop from the outside."""

"""Catalogue, stock and reservations of the shop."""

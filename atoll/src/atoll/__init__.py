"""A platform for systems of services: see ARCHITECTURE.md for the way through it."""

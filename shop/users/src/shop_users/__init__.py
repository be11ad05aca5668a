"""Accounts, sign-in and token keys of the shop."""

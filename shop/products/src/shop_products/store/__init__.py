"""The service's tables: SQL, and rows turned into values. Use cases join these into transactions.

catalogue.py     products as people see them
stock.py         how many can still be sold, and the ledger of every change
reservations.py  holds of orders
imports.py       what the rows of imported files became
"""

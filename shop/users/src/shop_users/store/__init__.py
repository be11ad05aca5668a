"""The service's tables: SQL, and rows turned into values. Use cases join these into transactions.

accounts.py        users and the hashes of their passwords
refresh_tokens.py  families of tokens, each begun by a sign-in
signing_keys.py    what signs access tokens
"""

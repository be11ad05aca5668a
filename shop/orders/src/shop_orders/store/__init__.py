"""The service's tables: SQL, and rows turned into what they mean. Use cases join these into transactions."""

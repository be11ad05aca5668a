"""Proof from the outside: `atoll load` buys, `atoll verify` holds what is left against the promises.

history/  what clients sent and were answered, as a file; written by the one, read by the other
load/     buyers at the public door
verify/   databases and histories, held against promises 1 to 12, and 16
"""

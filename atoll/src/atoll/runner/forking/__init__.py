"""Programs of a system as forks of one process that has loaded the platform already.

Loading the platform takes half a second and some 20 MiB for each process that does it by itself. Forks share both.
Linux only: elsewhere a fork is not safe after loading, and every program is executed as it is.
"""

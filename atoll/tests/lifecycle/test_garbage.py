"""How often a process of ours looks for garbage."""

import gc

from atoll.lifecycle.process import NEW_BEFORE_SEARCH, search_seldom


def test_the_collector_looks_for_cycles_seldom_and_as_thoroughly_as_ever() -> None:
    before = gc.get_threshold()
    try:
        search_seldom()

        assert gc.get_threshold() == (NEW_BEFORE_SEARCH, *before[1:])
        assert gc.isenabled()
    finally:
        gc.set_threshold(*before)

"""Promise 12: stopping and starting changes nothing. Only who stops and starts can see it."""

from shop_proof.verify.promises.promise import Outcome, Promise


class RestartChangesNothing(Promise):
    number = 12
    name = "restart changes nothing"
    not_visible = "a restart; it is shown by tests/faults/test_stopping.py and test_crashes.py"

    def outcome(self) -> Outcome:
        return Outcome.NOT_VISIBLE

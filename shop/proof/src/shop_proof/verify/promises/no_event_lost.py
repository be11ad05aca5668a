"""Promise 16: what was handled, what was given up, and what waits, is all that was ever sent."""

from datetime import timedelta

from shop_proof.verify.events import DeadLetter, SentEvent
from shop_proof.verify.promises.promise import Promise, counted

QUIET_WITHIN = timedelta(seconds=30)


class NoEventLost(Promise):
    number = 16
    name = "no event lost"

    _events = 0
    _dead = 0

    def see_event(self, event: SentEvent) -> None:
        self._events += 1
        if event.published_at is None:
            self.undecided(f"{event.type} {event.id} waits to be sent to {event.receiver}")
        elif not event.is_noted:
            self._see_missing(event, self.scene.now - event.published_at)

    def see_dead_letter(self, letter: DeadLetter) -> None:
        self._dead += 1
        self.undecided(f"{letter.receiver} has given up on {letter.type} {letter.id}: {letter.reason}")

    def evidence(self) -> str:
        return f"{counted(self._events, 'event')} that somebody acts on, {counted(self._dead, 'dead letter')}"

    def _see_missing(self, event: SentEvent, age: timedelta) -> None:
        sentence = (
            f"{event.type} {event.id} was sent {age.total_seconds():.0f} s ago, and has not reached {event.receiver}"
        )
        if self.scene.system_runs and age >= QUIET_WITHIN:
            self.broken(sentence)
        else:
            self.undecided(sentence)

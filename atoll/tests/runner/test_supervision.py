"""The decisions, driven by hand: no process runs here."""

import pytest

from atoll.runner.supervision import Action, Do, State, Supervision, TimeLimits
from atoll.testing.clock import ManualClock

NEEDS = {"registry": [], "users": ["registry"], "orders": ["registry", "users"], "gateway": ["orders"]}


def start(*services: str) -> list[Action]:
    return [Action(Do.START, service) for service in services]


def terminate(*services: str) -> list[Action]:
    return [Action(Do.TERMINATE, service) for service in services]


def kill(*services: str) -> list[Action]:
    return [Action(Do.KILL, service) for service in services]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def supervision(clock: ManualClock) -> Supervision:
    return Supervision(NEEDS, clock)


def bring_up(supervision: Supervision) -> None:
    while not supervision.everything_is_up:
        for action in supervision.decide():
            supervision.became_ready(action.service)


def states(supervision: Supervision) -> dict[str, str]:
    return {name: service.state.value for name, service in supervision.services.items()}


class TestStart:
    def test_what_needs_nothing_starts_first(self, supervision: Supervision) -> None:
        assert supervision.decide() == start("registry")

    def test_an_action_is_returned_once(self, supervision: Supervision) -> None:
        supervision.decide()

        assert supervision.decide() == []

    def test_a_service_starts_when_all_it_needs_are_up(self, supervision: Supervision) -> None:
        supervision.decide()
        supervision.became_ready("registry")
        assert supervision.decide() == start("users")
        supervision.became_ready("users")

        assert supervision.decide() == start("orders")

    def test_services_that_do_not_need_each_other_start_together(self, clock: ManualClock) -> None:
        supervision = Supervision({"a": [], "b": [], "c": ["a", "b"]}, clock)

        assert supervision.decide() == start("a", "b")

    def test_everything_is_up_when_the_last_is_ready(self, supervision: Supervision) -> None:
        bring_up(supervision)

        assert supervision.everything_is_up
        assert supervision.wake_at() is None

    def test_a_service_that_ends_before_it_was_ready_stops_everything(self, supervision: Supervision) -> None:
        supervision.decide()
        supervision.became_ready("registry")
        supervision.decide()

        end = supervision.ended("users", "exited with code 1")

        assert end.state == State.FAILED
        assert supervision.failure == end
        assert supervision.decide() == terminate("registry")
        supervision.ended("registry", "ended by itself")
        assert supervision.everything_has_ended
        assert states(supervision) == {
            "registry": "stopped",
            "users": "failed",
            "orders": "stopped",
            "gateway": "stopped",
        }

    def test_a_program_that_cannot_even_load_stops_everything(self, supervision: Supervision) -> None:
        supervision.decide()

        supervision.ended("gateway", "exited with code 1")

        assert supervision.decide() == terminate("registry")

    async def test_a_service_that_is_not_ready_in_time_is_killed_and_fails(self, clock: ManualClock) -> None:
        supervision = Supervision({"slow": []}, clock, limits={"slow": TimeLimits(start=5.0)})
        supervision.decide()
        assert supervision.wake_at() == 5.0
        await clock.advance(5.0)

        assert supervision.decide() == kill("slow")
        assert supervision.decide() == []
        end = supervision.ended("slow", "was ended by SIGKILL")

        assert end.reason == "was not ready after 5 seconds and was killed"
        assert supervision.everything_has_ended

    async def test_a_word_that_comes_too_late_does_not_save_it(self, clock: ManualClock) -> None:
        supervision = Supervision({"slow": []}, clock, limits={"slow": TimeLimits(start=5.0)})
        supervision.decide()
        await clock.advance(5.0)
        supervision.decide()

        supervision.became_ready("slow")

        assert states(supervision) == {"slow": "starting"}


class TestRestart:
    async def test_what_dies_starts_again_after_its_pause(self, supervision: Supervision, clock: ManualClock) -> None:
        bring_up(supervision)

        end = supervision.ended("users", "was ended by SIGKILL")

        assert end.state == State.PAUSED
        assert 0.15 <= end.pause <= 0.2
        assert supervision.decide() == []
        assert supervision.wake_at() == pytest.approx(end.pause)
        await clock.advance(end.pause)
        assert supervision.decide() == start("users")
        assert supervision.services["users"].restarts == 1

    async def test_the_others_stay_up_meanwhile(self, supervision: Supervision, clock: ManualClock) -> None:
        bring_up(supervision)

        supervision.ended("registry", "exited with code 1")
        await clock.advance(0.2)

        assert supervision.decide() == start("registry")
        assert states(supervision) == {
            "registry": "starting",
            "users": "up",
            "orders": "up",
            "gateway": "up",
        }

    async def test_pauses_grow_while_it_keeps_dying(self, supervision: Supervision, clock: ManualClock) -> None:
        bring_up(supervision)
        pauses = []
        for _ in range(3):
            pauses.append(supervision.ended("users", "exited with code 1").pause)
            await clock.advance(pauses[-1])
            supervision.decide()

        assert pauses[0] < pauses[1] < pauses[2]
        assert supervision.failure is None

    async def test_a_stable_minute_makes_the_pause_short_again(
        self, supervision: Supervision, clock: ManualClock
    ) -> None:
        bring_up(supervision)
        for _ in range(4):
            await clock.advance(supervision.ended("users", "exited with code 1").pause)
            supervision.decide()
        supervision.became_ready("users")
        await clock.advance(60.0)

        assert supervision.ended("users", "exited with code 1").pause <= 0.2

    async def test_a_restart_that_hangs_is_killed_and_tried_again(
        self, supervision: Supervision, clock: ManualClock
    ) -> None:
        bring_up(supervision)
        await clock.advance(supervision.ended("users", "exited with code 1").pause)
        supervision.decide()
        await clock.advance(30.0)

        assert supervision.decide() == kill("users")
        assert supervision.ended("users", "was ended by SIGKILL").state == State.PAUSED

    async def test_one_that_stops_by_itself_and_hangs_is_killed(
        self, supervision: Supervision, clock: ManualClock
    ) -> None:
        bring_up(supervision)
        supervision.began_to_stop("users")
        assert states(supervision)["users"] == "stopping"
        await clock.advance(30.0)

        assert supervision.decide() == kill("users")
        assert supervision.ended("users", "was ended by SIGKILL").state == State.PAUSED


class TestStop:
    def test_services_stop_in_reverse_each_after_those_that_need_it(self, supervision: Supervision) -> None:
        bring_up(supervision)
        supervision.stop()

        order = []
        while not supervision.everything_has_ended:
            actions = supervision.decide()
            order.append(actions)
            for action in actions:
                supervision.ended(action.service, "ended by itself")

        assert order == [terminate("gateway"), terminate("orders"), terminate("users"), terminate("registry")]

    def test_nothing_starts_any_more(self, supervision: Supervision) -> None:
        supervision.decide()
        supervision.stop()
        supervision.became_ready("registry")

        assert supervision.decide() == terminate("registry")

    def test_one_that_waits_for_its_restart_is_not_started(self, supervision: Supervision) -> None:
        bring_up(supervision)
        supervision.ended("gateway", "exited with code 1")

        supervision.stop()

        assert supervision.decide() == terminate("orders")

    async def test_what_does_not_stop_in_time_is_killed(self, supervision: Supervision, clock: ManualClock) -> None:
        bring_up(supervision)
        supervision.stop()
        supervision.decide()
        await clock.advance(30.0)

        assert supervision.decide() == kill("gateway")
        end = supervision.ended("gateway", "was ended by SIGKILL")
        assert end.reason == "had not stopped after 30 seconds and was killed"
        assert supervision.decide() == terminate("orders")

    def test_now_means_now(self, supervision: Supervision) -> None:
        bring_up(supervision)
        supervision.stop()
        supervision.decide()

        supervision.kill()

        assert supervision.decide() == kill("registry", "users", "orders", "gateway")
        assert supervision.decide() == []
        for name in NEEDS:
            supervision.ended(name, "was ended by SIGKILL")
        assert supervision.everything_has_ended

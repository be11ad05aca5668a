"""The W3C trace context, read as strictly as https://www.w3.org/TR/trace-context/ asks."""

import random
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from atoll.observability.tracing import NextHops, TraceContext

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"

HEX = "0123456789abcdef"


def ids(length: int) -> st.SearchStrategy[str]:
    return st.text(HEX, min_size=length, max_size=length).filter(lambda text: set(text) != {"0"})


def later_versions() -> st.SearchStrategy[str]:
    return st.integers(0x01, 0xFE).map(lambda version: f"{version:02x}")


def contexts() -> st.SearchStrategy[TraceContext]:
    return st.builds(TraceContext, ids(32), ids(16), st.booleans())


class TestParsing:
    def test_reads_the_example_of_the_standard(self) -> None:
        parsed = TraceContext.parse(f"00-{TRACE}-{SPAN}-01")

        assert TraceContext(TRACE, SPAN, sampled=True) == parsed

    @pytest.mark.parametrize(
        ("flags", "sampled"), [("00", False), ("01", True), ("02", False), ("03", True), ("ff", True), ("fe", False)]
    )
    def test_looks_only_at_the_flag_it_knows(self, flags: str, sampled: bool) -> None:
        assert sampled == TraceContext.parse(f"00-{TRACE}-{SPAN}-{flags}").sampled

    @pytest.mark.parametrize("version", ["01", "42", "cc", "fe"])
    @pytest.mark.parametrize("rest", ["", "-", "-what-the-future-may-be-like"])
    def test_reads_the_known_part_of_later_versions(self, version: str, rest: str) -> None:
        assert TraceContext(TRACE, SPAN, sampled=True) == TraceContext.parse(f"{version}-{TRACE}-{SPAN}-01{rest}")

    @pytest.mark.parametrize(
        "header",
        [
            None,
            "",
            "garbage",
            f"ff-{TRACE}-{SPAN}-01",
            f"00-{TRACE}-{SPAN}-01-more",
            f"00-{TRACE}-{SPAN}-01-",
            f"01-{TRACE}-{SPAN}-01more",
            f"00-{'0' * 32}-{SPAN}-01",
            f"00-{TRACE}-{'0' * 16}-01",
            f"00-{TRACE.upper()}-{SPAN}-01",
            f"00-{TRACE}-{SPAN.upper()}-01",
            f"00-{TRACE}-{SPAN}-0A",
            f"0-{TRACE}-{SPAN}-01",
            f"000-{TRACE}-{SPAN}-01",
            f"00-{TRACE[1:]}-{SPAN}-01",
            f"00-{TRACE}0-{SPAN}-01",
            f"00-{TRACE}-{SPAN[1:]}-01",
            f"00-{TRACE}-{SPAN}0-01",
            f"00-{TRACE}-{SPAN}-1",
            f"00-{TRACE}-{SPAN}-001",
            f"00-{TRACE}-{SPAN}",
            f"00_{TRACE}_{SPAN}_01",
            f" 00-{TRACE}-{SPAN}-01",
            f"00-{TRACE}-{SPAN}-01 ",
            f"00-{TRACE}-{SPAN}-01\n",
            f"00-{TRACE[:-1]}g-{SPAN}-01",
            f"00-{TRACE[:-1]}٣-{SPAN}-01",
            f"0x-{TRACE}-{SPAN}-01",
            f"00-{TRACE}-{SPAN}-01,00-{TRACE}-{SPAN}-01",
        ],
    )
    def test_starts_a_new_trace_for_what_the_standard_forbids(self, header: str | None) -> None:
        parsed = TraceContext.parse(header)

        assert parsed.trace_id != TRACE
        assert not parsed.sampled

    @given(contexts())
    def test_reads_what_it_writes(self, context: TraceContext) -> None:
        assert context == TraceContext.parse(context.header())

    @given(st.text())
    def test_any_text_gives_a_usable_context(self, header: str) -> None:
        parsed = TraceContext.parse(header)

        assert parsed == TraceContext.parse(parsed.header())

    @given(contexts(), st.integers(0, 54), st.characters())
    def test_one_wrong_character_is_noticed(self, context: TraceContext, place: int, character: str) -> None:
        assume(character not in HEX and character != "-")
        header = context.header()

        parsed = TraceContext.parse(header[:place] + character + header[place + 1 :])

        assert parsed.trace_id != context.trace_id

    @given(
        contexts(), st.text(HEX, min_size=2, max_size=2).filter(lambda version: version not in {"00", "ff"}), st.text()
    )
    def test_whatever_follows_in_a_later_version_is_tolerated(
        self, context: TraceContext, version: str, rest: str
    ) -> None:
        header = f"{version}{context.header()[2:]}-{rest}"

        assert context == TraceContext.parse(header)


class TestHeader:
    @given(contexts())
    def test_is_a_version_0_header(self, context: TraceContext) -> None:
        assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]", context.header())

    def test_says_whether_the_trace_is_recorded(self) -> None:
        assert f"00-{TRACE}-{SPAN}-01" == TraceContext(TRACE, SPAN, sampled=True).header()
        assert f"00-{TRACE}-{SPAN}-00" == TraceContext(TRACE, SPAN, sampled=False).header()


class TestChild:
    @given(contexts())
    def test_is_another_place_in_the_same_trace(self, context: TraceContext) -> None:
        child = context.child()

        assert (context.trace_id, context.sampled) == (child.trace_id, child.sampled)
        assert context.span_id != child.span_id

    def test_children_differ(self) -> None:
        parent = TraceContext.fresh()

        assert 1000 == len({parent.child().span_id for _ in range(1000)})


class TestFresh:
    def test_traces_differ(self) -> None:
        assert 1000 == len({TraceContext.fresh().trace_id for _ in range(1000)})

    def test_ids_come_out_of_the_chance_given(self) -> None:
        first, second = (TraceContext.fresh(random.Random(7)) for _ in range(2))  # noqa: S311 - no secret

        assert first == second

    def test_ids_are_never_all_zeros(self) -> None:
        class NoChance(random.Random):
            def getrandbits(self, k: int, /) -> int:
                return 0

        fresh = TraceContext.fresh(NoChance())

        assert ("0" * 31 + "1", "0" * 15 + "1") == (fresh.trace_id, fresh.span_id)


def test_the_next_hops_of_a_trace_are_all_different_places_in_it() -> None:
    here, hops = TraceContext.fresh(), NextHops()
    next_ones = [TraceContext.parse(hops.header(here)) for _ in range(200)]

    assert {each.trace_id for each in next_ones} == {here.trace_id}
    assert len({each.span_id for each in next_ones} | {here.span_id}) == 201


def test_hops_from_nowhere_each_begin_a_trace() -> None:
    hops = NextHops()
    traces = {TraceContext.parse(hops.header(None)) for _ in range(200)}

    assert len({each.trace_id for each in traces}) == len({each.span_id for each in traces}) == 200

import pytest

from shop_proof.load.plan import DEFAULT_MIX, Kind, local_url, parse_lines, parse_mix, written


@pytest.mark.parametrize(("text", "lines"), [("3", [3]), ("1-4", [1, 2, 3, 4]), ("20", [20])])
def test_lines_are_a_number_or_a_range(text: str, lines: list[int]) -> None:
    assert lines == [*parse_lines(text)]


@pytest.mark.parametrize("text", ["0", "21", "3-2", "1-21", "", "two", "-1", "1-2-3"])
def test_lines_outside_of_1_to_20_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="1 to 20 lines"):
        parse_lines(text)


def test_a_mix_names_its_parts() -> None:
    assert {Kind.PLACE: 80, Kind.READ: 20} == parse_mix("place=80, read=20")


def test_the_default_mix_is_written_as_it_is_read() -> None:
    assert DEFAULT_MIX == parse_mix(written(DEFAULT_MIX))


@pytest.mark.parametrize("text", ["plaice=80", "place", "place=-1", "place=1,", "place=1.5"])
def test_what_is_no_mix_is_refused_with_one_that_is(text: str) -> None:
    with pytest.raises(ValueError, match="is no part of a mix: write place=70"):
        parse_mix(text)


@pytest.mark.parametrize("text", ["read=20", "place=0,read=20"])
def test_a_mix_without_orders_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="needs orders to be placed"):
        parse_mix(text)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:3000", "http://localhost:3000/", "http://[::1]:3000", "http://127.9.9.9"]
)
def test_this_machine_may_be_loaded(url: str) -> None:
    assert url.rstrip("/") == local_url(url)


@pytest.mark.parametrize("url", ["http://shop.example:3000", "http://10.0.0.1:3000", "http://localhost.example"])
def test_no_other_machine_is_loaded(url: str) -> None:
    with pytest.raises(ValueError, match="is not this machine"):
        local_url(url)


@pytest.mark.parametrize("url", ["https://localhost", "localhost:3000", "http://", ""])
def test_what_is_no_address_of_a_gateway_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="is not the address of a gateway"):
        local_url(url)

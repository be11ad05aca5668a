import pytest

from shop_products.importing.separators import separator_in


@pytest.mark.parametrize(
    ("header", "separator"),
    [
        ("Handle,Title,Variant Price", ","),
        ("Handle;Title;Variant Price", ";"),
        ("Handle\tTitle\tVariant Price", "\t"),
        ('Handle;"Title, as shown, on the page";Variant Price', ";"),
        ("Handle", ","),
        ("", ","),
    ],
)
def test_the_separator_is_the_one_the_header_has_most_of(header: str, separator: str) -> None:
    assert separator == separator_in(header)

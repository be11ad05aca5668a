"""The docs page of every service, in a real browser: everything is there, works, and comes from the service itself."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.contract.browser import Page, browser_page, installed_browser
from tests.contract.one_process import OneProcessShop, Person

BROWSER = installed_browser()

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(BROWSER is None, reason="no Chromium here; `apt install chromium` brings one"),
]

CARDS = "document.querySelectorAll('#operations [data-words]')"
SCHEMAS = "document.querySelectorAll('#schemas [data-words]')"


def card(path: str, method: str) -> str:
    """The JavaScript that finds the card of an operation."""
    is_it = f"card.dataset.words.startsWith('{path} {method.lower()} ')"
    return f"[...{CARDS}].find((card) => {is_it})"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Page]:
    async with browser_page(str(BROWSER)) as page:
        yield page


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Page) -> Page:
    """The browser's page as if nobody had used it."""
    await browser.open("about:blank")
    await browser.command("Emulation.clearDeviceMetricsOverride")
    browser.complaints.clear()
    browser.asked.clear()
    return browser


@pytest.mark.parametrize("service", ["registry", "users", "products", "orders", "gateway"])
async def test_every_operation_and_schema_can_be_opened(service: str, page: Page, shop: OneProcessShop) -> None:
    document = shop.services[service].openapi()
    operations = sum(len(operations) for operations in document["paths"].values())

    await page.open(f"{shop.urls[service]}/docs")
    await page.until("document.querySelector('#schemas h2')")
    await page.run("document.querySelectorAll('details').forEach((each) => { each.open = true })")
    await page.until("[...document.querySelectorAll('#operations .inside')].every((inside) => inside.hasChildNodes())")

    assert operations == await page.run(f"{CARDS}.length")
    assert len(document["components"]["schemas"]) == await page.run(f"{SCHEMAS}.length")
    assert service == await page.run("document.querySelector('h1').innerText")
    assert "undefined" not in await page.run("document.body.innerText")
    assert not page.complaints


async def test_nothing_comes_from_elsewhere(page: Page, shop: OneProcessShop) -> None:
    await page.open(f"{shop.urls['orders']}/docs")
    await page.until("document.querySelector('#schemas h2')")

    assert {f"{shop.urls['orders']}/docs", f"{shop.urls['orders']}/openapi.json"} == {*page.asked}


async def test_a_call_can_be_tried(page: Page, shop: OneProcessShop, admin: Person) -> None:
    add, listing = card("/products", "POST"), card("/products", "GET")
    await page.open(f"{shop.urls['products']}/docs")
    await page.until(add)

    await page.run(f"document.getElementById('token').value = '{admin.access_token}'")
    await page.run(f"{add}.open = true")
    example = await page.until(f"{add}.querySelector('textarea')?.value")
    await page.run(f"{add}.querySelector('button').click()")
    added = await page.until(f"{add}.querySelector('[aria-live]').innerText")
    await page.run(f"{listing}.open = true")
    await page.until(f"{listing}.querySelector('button')?.click() ?? true")
    listed = await page.until(f"{listing}.querySelector('[aria-live]').innerText")

    assert '"name"' in example
    assert added.startswith("201 Created"), added
    assert listed.startswith("200 OK"), listed
    assert not page.complaints


async def test_a_mistake_is_shown_as_it_is_answered(page: Page, shop: OneProcessShop) -> None:
    add = card("/users", "POST")
    await page.open(f"{shop.urls['users']}/docs")
    await page.until(add)
    await page.run(f"{add}.open = true")
    await page.until(f"{add}.querySelector('textarea')")
    await page.run(f"{add}.querySelector('textarea').value = '{{}}'")
    await page.run(f"{add}.querySelector('button').click()")
    shown = await page.until(f"{add}.querySelector('[aria-live]').innerText")

    assert shown.startswith("422"), shown
    assert "/problems/invalid-fields" in shown


async def test_the_search_leaves_what_is_looked_for(page: Page, shop: OneProcessShop) -> None:
    await page.open(f"{shop.urls['orders']}/docs")
    await page.until(f"{CARDS}.length")

    await page.run("document.getElementById('search').value = 'cancel'")
    await page.run("document.getElementById('search').dispatchEvent(new Event('input'))")

    assert ["/orders/{order_id}/cancel"] == await page.run(
        f"[...{CARDS}].filter((card) => card.offsetParent).map((card) => card.querySelector('.path').innerText)"
    )


async def test_problems_are_explained_where_they_may_be_answered(page: Page, shop: OneProcessShop) -> None:
    place = card("/orders", "POST")
    await page.open(f"{shop.urls['orders']}/docs")
    await page.until(place)
    await page.run(f"{place}.open = true")
    await page.until(f"{place}.querySelector('.problem')")
    await page.run(f"{place}.querySelectorAll('.problem').forEach((each) => {{ each.open = true }})")
    shown = await page.run(f"{place}.innerText")

    assert "/problems/insufficient-stock" in shown
    assert "What to do: " in shown


@pytest.mark.parametrize("width", [360, 1100])
async def test_it_fits_into_narrow_windows(width: int, page: Page, shop: OneProcessShop) -> None:
    await page.command("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False)
    await page.open(f"{shop.urls['products']}/docs")
    await page.until(f"{CARDS}.length")
    await page.run("document.querySelectorAll('details').forEach((each) => { each.open = true })")
    await page.until("document.querySelector('#schemas td')")

    assert await page.run("document.documentElement.scrollWidth") <= width

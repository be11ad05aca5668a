"""The pages of the problems: one for each `type`, out of the docstrings of the classes."""

import inspect
import pkgutil
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import import_module
from itertools import groupby

from docs.generate.api import Call, all_calls
from docs.generate.markdown import BY_MAKE_DOCS, block, one_line, page, table

from atoll.problems import Problem

_PACKAGES = ("atoll", "shop_users", "shop_products", "shop_orders")
_PLATFORM = "atoll"
ADVICE = "What to do: "

_EXAMPLE = """\
{
  "type": "/problems/insufficient-stock",
  "title": "Insufficient stock",
  "status": 400,
  "detail": "Insufficient stock for product Brass reading lamp",
  "error": "Insufficient stock for product Brass reading lamp",
  "instance": "/orders",
  "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
  "errors": [
    {"pointer": "/items/0/quantity", "detail": "Insufficient stock for product Brass reading lamp"}
  ]
}"""


_EVERY_ERROR = """
Every error, from a service, the door, a limit or a missing neighbour, is `application/problem+json`
([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)):
"""

_FIELDS = """
- `type` is what programs should look at: a name that does not change. It reads as the path of a page of this
  documentation, `/problems/insufficient-stock` as [insufficient-stock.md](insufficient-stock.md). The services do not
  answer there, since nothing exists at the door but the API.
- `title` is the name in words, `status` that of the answer.
- `detail` is a sentence for people, and may change; `error` is the same sentence, for simple clients.
- `instance` is the path that was asked for.
- `traceId` is what to tell those who run the system: it is in their logs.
- `errors` is there when single fields are at fault: `pointer` is a JSON pointer
  ([RFC 6901](https://www.rfc-editor.org/rfc/rfc6901)) into the body, or the name of a parameter or a header.
"""


def problem_pages() -> dict[str, str]:
    by_slug: dict[str, list[type[Problem]]] = {}
    for problem in all_problems():
        by_slug.setdefault(problem.slug(), []).append(problem)
    return {"README.md": _overview(by_slug), **{f"{slug}.md": _page(slug, found) for slug, found in by_slug.items()}}


@cache
def all_problems() -> Sequence[type[Problem]]:
    """Every class of the platform and the shop, by status and name."""
    for package in _PACKAGES:
        for module in pkgutil.walk_packages(import_module(package).__path__, f"{package}."):
            if not module.name.endswith("__main__") and not module.name.startswith("atoll.testing"):
                import_module(module.name)
    ours = {each for each in _below(Problem) if _is_shipped(each)}
    return sorted(ours, key=lambda each: (each.status, each.slug(), each.__module__))


def _is_shipped(problem: type[Problem]) -> bool:
    """Whether it is of a package, and not of a test that this process has loaded as well."""
    package, _, rest = problem.__module__.partition(".")
    return package in _PACKAGES and not rest.startswith("tests.")


def _below(problem: type[Problem]) -> Iterator[type[Problem]]:
    for each in problem.__subclasses__():
        yield each
        yield from _below(each)


def meaning_and_advice(problem: type[Problem]) -> tuple[str, str]:
    """The two halves of the docstring; the advice is what follows "What to do: "."""
    meaning, _, advice = (problem.__doc__ or "").partition(ADVICE)
    return inspect.cleandoc(meaning).strip(), one_line(advice)


def _overview(by_slug: dict[str, list[type[Problem]]]) -> str:
    rows = [
        (str(problem.status), f"[{problem.title()}]({slug}.md)", _owner(problem), _first_sentence(problem))
        for slug, found in by_slug.items()
        for problem in found
    ]
    return page(
        BY_MAKE_DOCS,
        "# Problems",
        _EVERY_ERROR,
        block("json", _EXAMPLE),
        _FIELDS,
        table(("status", "problem", "from", "meaning"), sorted(rows, key=lambda row: row[0])),
    )


def _page(slug: str, found: Sequence[type[Problem]]) -> str:
    several = len(found) > 1
    return page(
        BY_MAKE_DOCS,
        f"# {found[0].title()}",
        f"`type`: `/problems/{slug}`",
        *(part for problem in found for part in _explanation(problem, with_heading=several)),
        "All problems are [listed here](README.md), with the fields that each has.",
    )


def _explanation(problem: type[Problem], *, with_heading: bool) -> Iterator[str]:
    meaning, advice = meaning_and_advice(problem)
    if with_heading:
        yield f"## From {_owner(problem)}"
    yield f"**Status {problem.status}**"
    yield meaning
    yield f"**What to do**: {advice}"
    calls = [call for call in all_calls() if _may_answer(call, problem)]
    kinds = [each for each in all_problems() if problem in each.__bases__]
    if calls:
        yield "Answered by:"
        yield "\n".join(_links(calls))
    if kinds:
        yield f"More exactly, it may be: {', '.join(f'[{each.title()}]({each.slug()}.md)' for each in kinds)}."
    if not calls and not kinds:
        yield "Any request may meet it."


def _links(calls: Sequence[Call]) -> Iterator[str]:
    """A line for each service."""
    for service, of_service in groupby(calls, lambda call: call.service):
        yield f"- {service}: {', '.join(f'[`{call.heading}`](../api/{call.link})' for call in of_service)}"


def _may_answer(call: Call, problem: type[Problem]) -> bool:
    return _owner(problem) in (_PLATFORM, call.service) and (str(problem.status), problem.slug()) in call.problems()


def _owner(problem: type[Problem]) -> str:
    package, _, rest = problem.__module__.partition(".")
    if package == _PLATFORM:
        return "registry" if rest.startswith("registry") else _PLATFORM
    return package.removeprefix("shop_")


def _first_sentence(problem: type[Problem]) -> str:
    meaning = one_line(meaning_and_advice(problem)[0])
    return meaning.partition(". ")[0].rstrip(".") + "."

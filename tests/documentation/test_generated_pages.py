"""The pages that come from the code say what the code says."""

import pytest
from docs.generate.pages import DOCS, GENERATED_FOLDERS, pages
from docs.generate.problems import all_problems, meaning_and_advice

from atoll.problems import Problem

MAKE_DOCS = "this page is not what the code says; run `make docs` and commit what changes"


def test_every_page_is_as_the_code_says() -> None:
    for name, text in pages().items():
        path = DOCS / name
        assert path.exists(), f"{name} is missing; run `make docs`"
        assert path.read_text(encoding="utf-8") == text, f"docs/{name}: {MAKE_DOCS}"


def test_there_is_no_page_of_something_that_is_gone() -> None:
    there = {path.relative_to(DOCS) for folder in GENERATED_FOLDERS for path in (DOCS / folder).iterdir()}

    assert there <= pages().keys()


@pytest.mark.parametrize("problem", all_problems(), ids=lambda problem: f"{problem.__module__}.{problem.__name__}")
def test_every_problem_says_itself_what_it_means_and_what_to_do(problem: type[Problem]) -> None:
    meaning, advice = meaning_and_advice(problem)

    assert "__doc__" in vars(problem), "give the class a docstring of its own"
    assert meaning.endswith("."), "say in the docstring what the problem means, in sentences"
    assert advice.endswith("."), "end the docstring with a paragraph that begins with “What to do: ”"


def test_problems_of_one_type_have_one_status_within_a_service() -> None:
    seen: dict[tuple[str, str], int] = {}
    for problem in all_problems():
        key = (problem.__module__.partition(".")[0], problem.slug())
        assert seen.setdefault(key, problem.status) == problem.status

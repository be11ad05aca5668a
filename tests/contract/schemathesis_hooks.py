"""What requests may be refused for although their schema takes them: the rules that JSON Schema has no words for."""

from typing import Any

import schemathesis
from schemathesis.core.failures import Failure
from schemathesis.core.transport import Response
from schemathesis.openapi.checks import RejectedPositiveData

BEYOND_SCHEMAS = {
    "/problems/common-password",
    "/problems/header-invalid",  # the first row of a CSV file
    "/problems/key-used-differently",
    "A product is named twice; name it once, with the whole quantity.",
    "Expected `int`, got `float`.",  # 2.0, an integer to JSON Schema
    "The cursor is not one that a list gave out.",
}
"""Types of problems, and what the general ones say."""


@schemathesis.hook
def filter_failure(
    _context: schemathesis.HookContext, failure: Failure, _case: schemathesis.Case[Any], response: Response
) -> bool:
    """Whether the failure counts."""
    return not (isinstance(failure, RejectedPositiveData) and _is_beyond_schemas(response))


def _is_beyond_schemas(response: Response) -> bool:
    if response.status_code == 304:
        return True  # nothing was refused: the client has it already
    problem = response.json()
    said = {problem["type"], *(mistake["detail"] for mistake in problem.get("errors", []))}
    return response.status_code == 422 and not BEYOND_SCHEMAS.isdisjoint(said)

"""`atoll events dead`: dead letters are listed, shown, sent again and dropped."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path

import click

from atoll.cli.events_here import events_here, json_option, service_option
from atoll.cli.events_tables import dead_letter_lines, moment
from atoll.cli.options import data_option, file_option
from atoll.events import DeadLetter, DeadLetters
from atoll.events.dead_letters import ReadOnlyDeadLetters
from atoll.storage import open_database, open_read_only

Act = Callable[[DeadLetters, str], Awaitable[bool]]
"""Does something to the dead letter of that id; False when there is none any more."""

_PAGE = 100

all_option = click.option("--all", "everything", is_flag=True, help="Every one, of all services or of --service.")
id_argument = click.argument("event_id", metavar="[ID]", required=False)


@click.group("dead")
def dead() -> None:
    """Events that were given up, because they failed every time: dead letters."""


@dead.command("list")
@file_option
@data_option
@service_option
@json_option
def list_(*, file: Path | None, data: Path, service: str, as_json: bool) -> None:
    """List them, the oldest event of each service first."""
    with events_here(data, file) as events:
        letters = asyncio.run(_found(events.only(service)))
    if as_json:
        _print_json(letters)
        return
    for line in dead_letter_lines(letters) if letters else ["There are no dead letters."]:
        click.echo(line)


@dead.command("show")
@click.argument("event_id", metavar="ID")
@file_option
@data_option
@service_option
def show(*, event_id: str, file: Path | None, data: Path, service: str) -> None:
    """Show one: the event, why it failed, and where in the code."""
    with events_here(data, file) as events:
        letters = asyncio.run(_found(events.only(service), event_id))
    if not letters:
        raise _no_such(event_id)
    for name, letter in letters:
        click.echo(_in_full(name, letter))


@dead.command("redrive")
@id_argument
@all_option
@file_option
@data_option
@service_option
def redrive(*, event_id: str | None, everything: bool, file: Path | None, data: Path, service: str) -> None:
    """Have the service act on one, or on all, as if it had just come."""
    _one_or_all(event_id, everything)
    with events_here(data, file) as events:
        letters = asyncio.run(_found(events.only(service), event_id or ""))
        if event_id and not letters:
            raise _no_such(event_id)
        count = asyncio.run(_each(letters, events.only(service), lambda dead, id_: dead.redrive(id_)))
        when = "within a second" if events.runs else "when the system runs again"
        click.echo(f"{_letters(count)} will be tried again {when}." if count else "There are no dead letters.")


@dead.command("drop")
@id_argument
@all_option
@click.option("--yes", is_flag=True, help="Do not ask before all are dropped.")
@file_option
@data_option
@service_option
def drop(*, event_id: str | None, everything: bool, yes: bool, file: Path | None, data: Path, service: str) -> None:
    """Give one up for good, or all. Should the event come again, it counts as handled."""
    _one_or_all(event_id, everything)
    with events_here(data, file) as events:
        letters = asyncio.run(_found(events.only(service), event_id or ""))
        if event_id and not letters:
            raise _no_such(event_id)
        if everything and letters and not yes:
            click.confirm(f"Drop {_letters(len(letters))} for good?", abort=True)
        count = asyncio.run(_each(letters, events.only(service), lambda dead, id_: dead.drop(id_)))
        click.echo(f"{_letters(count)} dropped." if count else "There are no dead letters.")


def _one_or_all(event_id: str | None, everything: bool) -> None:
    if bool(event_id) == everything:
        raise click.UsageError("Give the ID of a dead letter, or --all.")


async def _found(databases: Mapping[str, str], event_id: str = "") -> list[tuple[str, DeadLetter]]:
    """Every dead letter, or those of one event, with the service that each is of."""
    return [(name, letter) for name, url in databases.items() async for letter in _of_service(url, event_id)]


async def _of_service(url: str, event_id: str) -> AsyncIterator[DeadLetter]:
    async with open_read_only(url) as database:
        letters = ReadOnlyDeadLetters(database)
        if event_id:
            if letter := await letters.show(event_id):
                yield letter
            return
        after = ""
        while page := await letters.list(after=after, limit=_PAGE):
            for letter in page:
                yield letter
            after = page[-1].event_id


async def _each(letters: list[tuple[str, DeadLetter]], databases: Mapping[str, str], act: Act) -> int:
    """Do it to those letters, and to none that came meanwhile; to how many it was done."""
    count = 0
    for service in dict.fromkeys(name for name, _ in letters):
        async with open_database(databases[service]) as database:
            dead = DeadLetters(database)
            done = [await act(dead, letter.event_id) for name, letter in letters if name == service]
        count += sum(done)
    return count


def _no_such(event_id: str) -> click.ClickException:
    return click.ClickException(f"There is no dead letter {event_id}; see `atoll events dead list`.")


def _letters(count: int) -> str:
    return "1 dead letter" if count == 1 else f"{count:,} dead letters"


def _in_full(service: str, letter: DeadLetter) -> str:
    import msgspec

    try:
        body = msgspec.json.format(letter.body, indent=2).decode(errors="replace")
    except msgspec.DecodeError:
        body = repr(letter.body)
    facts = {
        "service": service,
        "id": letter.event_id,
        "type": letter.type,
        "trace": letter.trace_id,
        "tries": str(letter.deliveries),
        "failed": f"first {moment(letter.first_failed_at)}, last {moment(letter.last_failed_at)} (UTC)",
        "reason": letter.reason,
    }
    lines = [f"{click.style(f'{name:8}', dim=True)} {value}" for name, value in facts.items()]
    return "\n".join([*lines, "", body, "", letter.stack.rstrip(), ""])


def _print_json(letters: list[tuple[str, DeadLetter]]) -> None:
    import msgspec

    content = [
        {
            "service": service,
            "id": letter.event_id,
            "type": letter.type,
            "tries": letter.deliveries,
            "firstFailedAt": letter.first_failed_at,
            "lastFailedAt": letter.last_failed_at,
            "reason": letter.reason,
            "traceId": letter.trace_id,
            "stack": letter.stack,
            "body": letter.body.decode(errors="replace"),
        }
        for service, letter in letters
    ]
    click.echo(msgspec.json.format(msgspec.json.encode(content), indent=2))

"""`python -m shop_importer FILE`, which is `atoll import FILE`."""

import os
import sys
from pathlib import Path

import click
from rich.console import Console

from shop_importer.progress import progress_of
from shop_importer.shop import NotImported, Shop
from shop_importer.summary import print_summary

COULD_NOT_IMPORT = 2


@click.command("atoll import", context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False, readable=True))
@click.option(
    "--url", envvar="GATEWAY_URL", default="http://127.0.0.1:3000", show_default=True, help="The gateway of the shop."
)
@click.option("--email", help="An administrator; the one of the running system in development, by default.")
@click.option("--password", help="Their password; asked for when it is left out.")
def import_file(file: Path, url: str, email: str | None, password: str | None) -> None:
    """Import a CSV file with the columns of a Shopify product export.

    A row that cannot be taken stops none of the others. The exit code is 0 when all were taken, 1 when some failed, and
    2 when nothing could be imported.
    """
    console = Console(highlight=False)
    try:
        shop = Shop(url)
        token = shop.sign_in(*_credentials(email, password))
        with progress_of(file, console) as sent:
            report = shop.import_file(file, token, sent)
    except NotImported as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(COULD_NOT_IMPORT)
    print_summary(report, console)
    sys.exit(1 if report.failed else 0)


def _credentials(email: str | None, password: str | None) -> tuple[str, str]:
    """What was given, or else the system's own administrator, whose password the runner knows in development."""
    if email is None:
        email, password = os.environ.get("ADMIN_EMAIL"), os.environ.get("ADMIN_PASSWORD")
        if not email or not password:
            raise click.UsageError("Give --email and --password of an administrator.")
    return email, password or click.prompt("Password", hide_input=True)


if __name__ == "__main__":
    import_file(prog_name="atoll import")

"""The one command `rollcall`: each installed package puts its own subcommands into it."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Annotated

import typer

from rollcall import __version__


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rollcall {__version__}")
        raise typer.Exit


def make_app() -> typer.Typer:
    """Return the command with the subcommands of every installed package (entry-point group `rollcall.commands`)."""
    app = typer.Typer(
        name="rollcall",
        help="Every container that starts on a node answers by name.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )

    @app.callback()
    def options(
        version: Annotated[
            bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
        ] = False,
    ) -> None:
        pass

    for entry in sorted(entry_points(group="rollcall.commands"), key=lambda entry: entry.name):
        entry.load()(app)
    return app


def main() -> None:
    """Run `rollcall` with the arguments of this process."""
    make_app()()


if __name__ == "__main__":
    main()

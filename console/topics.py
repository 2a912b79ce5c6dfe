"""`penstock topics`: Pub/Sub topics and subscriptions."""

from typing import Annotated

import typer

__all__ = ["app", "create"]

app = typer.Typer(
    help="Pub/Sub topics and their subscriptions.", no_args_is_help=True, rich_markup_mode=None
)


@app.callback()
def _group() -> None:
    """Pub/Sub topics and their subscriptions."""


@app.command()
def create(
    topic: Annotated[str, typer.Option(help="projects/P/topics/T")],
    subscription: Annotated[
        list[str] | None, typer.Option(help="projects/P/subscriptions/S; as many as are wanted")
    ] = None,
) -> None:
    """Create a topic and subscriptions of it; what is there stays as it is.

    A job needs a subscription of its own, and gets what is published after that was created.

    Example: penstock topics create --topic projects/p/topics/t
    """
    # By the call: the clients take seconds to import, and help needs none of them.
    from console.new_topic import new_topic  # noqa: PLC0415

    for line in new_topic(topic, subscription or []):
        typer.echo(line)

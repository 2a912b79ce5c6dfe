"""`penstock graph`: whether a running job can be updated to what is in hand."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from console.printing import print_lines

__all__ = ["app", "diff", "save"]

app = typer.Typer(
    help="Graphs of jobs: whether a running one can be updated.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_WHAT = "a pipeline.pb as it was staged, or a file of graph save: local, or gs://..."
_Graph: TypeAlias = Annotated[str, typer.Argument(help=_WHAT)]


@app.callback()
def _group() -> None:
    """Graphs of jobs: whether a running one can be updated."""


@app.command()
def save(pipeline: Annotated[str, typer.Argument(metavar="PIPELINE", help=_WHAT)]) -> None:
    """Write down what of a pipeline's graph an update depends on, as JSON that can be reviewed.

    Equal graphs give equal bytes.

    Example: penstock graph save pipeline.pb > hot_live.json
    """
    # By the call: a pipeline.pb needs Beam, which takes seconds to import, and help needs none.
    from console.graph_files import read_graph  # noqa: PLC0415
    from console.graph_form import json_of  # noqa: PLC0415

    print_lines([json_of(read_graph(pipeline)).rstrip("\n")])


@app.command()
def diff(
    old: _Graph,
    new: _Graph,
    mapping: Annotated[
        Path | None, typer.Option(help="file to write the JSON of the mapping to", dir_okay=False)
    ] = None,
) -> None:
    """Tell whether the job of graph OLD can be updated to that of graph NEW.

    Prints what differs, a line each, and the verdict. Status 0: compatible. 3: needs mapping, for
    labels have moved; the last line, or the file, is what --transform_name_mapping takes.
    1: incompatible. 2: one of them cannot be read.

    Example: penstock graph diff old.pb new.pb --mapping mapping.json
    """
    from console.graph_files import STATUS, diff_graphs, mapping_json, told  # noqa: PLC0415

    found = diff_graphs(old, new)
    lines = list(told(found))
    if found.mapping and mapping is None:
        lines.append(mapping_json(found))
    if found.mapping and mapping is not None:
        try:
            mapping.write_text(mapping_json(found) + "\n", encoding="utf-8")
        except OSError as error:
            msg = f"{mapping}: cannot be written ({error.strerror}); name another file"
            raise ValueError(msg) from None
    print_lines(lines)
    raise typer.Exit(STATUS[found.verdict])

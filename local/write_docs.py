"""Writes the pages that are made from other files: `python -m local.write_docs`, or `make docs`."""

import sys
from pathlib import Path

from local.docs_pipelines import pictures, pipeline_pages
from local.docs_readme import readme
from local.licences import licences_page
from local.roles_page import roles_page
from schemas.contract import load_contracts
from schemas.dictionary import dictionary_page
from schemas.metric_set import load_metrics
from schemas.quarantine_page import quarantine_page
from schemas.table_set import TableSet
from schemas.tables_page import tables_page

__all__ = ["main", "pages"]

_DOCS = Path(__file__).parents[1] / "docs"


def pages() -> dict[Path, str]:
    """Return the text that each generated page should have."""
    contracts = load_contracts()
    return {
        _DOCS / "dictionary.md": dictionary_page(contracts),
        _DOCS / "licences.md": licences_page(),
        _DOCS / "quarantine.md": quarantine_page(),
        _DOCS / "roles.md": roles_page(),
        _DOCS / "tables.md": tables_page(TableSet.of(contracts, load_metrics(None, contracts))),
    }


def main() -> int:
    """Write the pages, and pictures in them, that differ; return the exit status."""
    for path, text in {**pages(), **pipeline_pages(), **pictures(), **readme()}.items():
        path.parent.mkdir(exist_ok=True)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            sys.stdout.write(f"wrote {path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

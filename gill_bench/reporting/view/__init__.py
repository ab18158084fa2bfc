"""Runs in a browser while they grow: `gill-bench view` serves their pages on this machine alone.

- `viewed`: one run, whose page is written again when something of it is new.
- `library`: the runs that are served, by name: one run, or all in a folder.
- `server`: the HTTP server on 127.0.0.1, which reads and never writes a run.
- `state`: what the page's script is told when it asks.
"""

from __future__ import annotations

from gill_bench.reporting.view.library import Library
from gill_bench.reporting.view.server import PageServer

__all__ = ["Library", "PageServer"]

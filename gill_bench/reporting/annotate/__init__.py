"""The page on which people say which of two pictures is better: `gill-bench annotate`.

- `page`: its files, in which nothing says which picture is whose.
- `server`: serves it on this machine alone, and keeps votes.
- `static`: the same page as a folder, for annotators elsewhere.
"""

from __future__ import annotations

from gill_bench.reporting.annotate.server import AnnotationServer
from gill_bench.reporting.annotate.static import write_static_folder

__all__ = ["AnnotationServer", "write_static_folder"]

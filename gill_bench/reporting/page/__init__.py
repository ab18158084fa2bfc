"""The page of a report: one static folder that opens from disk, without a server and without the network."""

from __future__ import annotations

from gill_bench.reporting.page.build import PageContent, write_page

__all__ = ["PageContent", "write_page"]

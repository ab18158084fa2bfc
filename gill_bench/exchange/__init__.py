"""Outputs that come from elsewhere, and go elsewhere (docs/exchange.md).

- `imports.py` takes pictures or texts that were generated elsewhere into a run, as units of a cell.
- `exports.py` writes the samples of a run in the layout that the judge of another benchmark reads, as a data set, or as
  plain files with a list (`manifest.py`) that can be imported again.
"""

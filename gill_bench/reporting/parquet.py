"""Tables as Parquet: the lines and columns of the CSV, with types and nulls (extra `parquet`: pyarrow)."""

from __future__ import annotations

import io
from collections.abc import Sequence

from gill_bench.errors import InputError
from gill_bench.reporting.export_columns import SCHEMA_VERSION, header, records
from gill_bench.reporting.structure import Table

_BOOLEANS = {"higher_is_better", "best", "published_in_interval"}
_FLOATS = {"mean", "std", "interval_low", "interval_high", "published_value", "published_std", "difference"}


def render_parquet(tables: Sequence[Table]) -> bytes:
    """Render all tables as one Parquet file; what is not known is null.

    Raises:
        InputError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet
    except ImportError as error:
        raise InputError(
            "Parquet needs pyarrow, which is not installed; install it with: pip install 'gill-bench[parquet]'"
        ) from error

    def kind(name: str) -> pa.DataType:
        if name in _BOOLEANS:
            return pa.bool_()
        if name in _FLOATS:
            return pa.float64()
        return pa.int64() if name == "digits" or name.startswith("n_") else pa.string()

    schema = pa.schema([(name, kind(name)) for name in header()], metadata={"schema_version": str(SCHEMA_VERSION)})
    out = io.BytesIO()
    pyarrow.parquet.write_table(pa.Table.from_pylist(records(tables), schema=schema), out)
    return out.getvalue()

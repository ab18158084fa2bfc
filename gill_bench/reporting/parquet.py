"""Tables as Parquet: the rows and columns of the CSV, with types and nulls (extra `parquet`: pyarrow)."""

from __future__ import annotations

import io
from collections.abc import Sequence

from gill_bench.errors import InputError
from gill_bench.reporting.export_columns import COLUMN_TYPES, SCHEMA_VERSION, records
from gill_bench.reporting.structure import Table


def render_parquet(tables: Sequence[Table]) -> bytes:
    """Render all tables as one Parquet file; a value that is not known is null.

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

    arrow_types = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}
    columns = [(name, arrow_types[python_type]) for name, python_type in COLUMN_TYPES.items()]
    schema = pa.schema(columns, metadata={"schema_version": str(SCHEMA_VERSION)})
    out = io.BytesIO()
    pyarrow.parquet.write_table(pa.Table.from_pylist(records(tables), schema=schema), out)
    return out.getvalue()

"""The mini world's data in the official file formats, one module per format, everything from a seed."""

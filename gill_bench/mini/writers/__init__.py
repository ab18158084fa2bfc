"""Writers of the mini world's data in the official file formats, one module for each format."""

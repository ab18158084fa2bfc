"""Getting outputs from models, one unit of work at a time."""

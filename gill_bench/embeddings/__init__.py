"""Stored embeddings: written, read, searched, and converted from other formats."""

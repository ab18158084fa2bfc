"""The reader of text and pictures that GILL, FROMAGe, CLIP and language models share."""

"""Networks of metrics, and how pictures are prepared for them."""

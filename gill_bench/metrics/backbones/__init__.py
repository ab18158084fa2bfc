"""Networks of metrics, and the preparation of pictures for them."""

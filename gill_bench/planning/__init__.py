"""From a request to a plan: everything that can be known before any weights are loaded."""

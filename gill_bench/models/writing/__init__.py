"""Networks of transformers that write text, of any class: greedy texts, log-likelihoods, and control tokens in data."""

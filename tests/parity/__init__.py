"""The published SAM 2, twice (transformers' and the official code), with the same weights as ours."""

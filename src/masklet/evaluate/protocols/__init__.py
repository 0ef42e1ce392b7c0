"""A model at work under the rules of a benchmark."""

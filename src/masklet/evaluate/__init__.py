"""Measuring: metrics, dataset readers, protocols, and the reports made of them.

`metrics` judges masks, `readers` finds the truth on disk, `protocols` lets a model work under the
rules of a benchmark, `score` judges masks that any tool wrote, `report` and `compare` show it.
"""

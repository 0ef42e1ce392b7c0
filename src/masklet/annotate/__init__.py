"""The data engine: videos in, verified masklets and a better model out.

A project is a store (`project`) that people work on (`tasks`, `work`, `verify`); the model fills it on its
own (`automatic`) and learns from what was verified (`retrain`).
"""

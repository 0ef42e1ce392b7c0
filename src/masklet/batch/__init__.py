"""Whole collections of videos: a manifest of rows in, masks, statistics and errors by row out.

A row's outputs are named by what the row says, so a run that was killed goes on where it was.
"""

"""Generators of questions: each takes a random generator and gives an `Item`."""

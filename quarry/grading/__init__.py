"""Graders: from a completion to a verdict, one module per kind of answer."""

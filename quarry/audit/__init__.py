"""The audit of the grid: what is usable, what is not, what to do next.

`survey` looks at files and labels; everything else here is a pure view of what it found.
"""

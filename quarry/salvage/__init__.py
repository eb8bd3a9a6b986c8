"""Keeping the intact samples of a damaged file of which there is no good copy.

salvaging       `salvage`: the one way in
result          what was kept and what was lost
child, tell     the guarded child that reads the damaged file, and what it tells
view            a damaged file as HDF5 is let see it
chunks, columns, rows, legacy   one module per topic of reading and writing
"""

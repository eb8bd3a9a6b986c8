"""Mending a damaged file from a good copy, fetching nothing but what is damaged.

repairing       `repair`: the one way in
good_copy       what a good copy can answer, and a file as one
proofs          manifest and table of digests, where they are lost
byte_repair     fetching, proving and writing byte ranges
"""

"""Trajectory files: hidden states, texts and tokens of one grid cell, in one HDF5 file.

    layout, attributes      what a file holds, and its header
    columns                 the per-sample columns, read whole
    writer, space           writing one, row by row, into staging
    staging, publication    where unfinished files lie, and how they get their final name
    manifest, digests       what was published, byte for byte
    reader, summary         reading rows; numbers for plots
    labelled_view           the small HDF5 with fresh labels and links to the big file
    verification, report    is this file whole and plausible? `light`, `structure`, `full`
    superblock, verify_*, chunk_map, scan, guarded    one module per topic of verification

Import from the modules; this file stays empty so that each costs only what it needs.
"""

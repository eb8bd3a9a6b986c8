"""Trajectory files: hidden states, texts and tokens of one grid cell, in one HDF5 file.

    layout, attributes      what a file holds, and its header
    columns                 the per-sample columns, read whole
    writer, row_store       writing one into staging; `write_thread`, `writeback`, `space`
    journal, kept_rows      rows that survive a kill, and reading them back
    staging, publication    where unfinished files lie, and how they get their final name
    manifest, digests       what was published, byte for byte; `digest_table`, `extents`, `describe`
    reader, checked_read    reading rows, checked as they are read; `summary`: for plots
    labelled_view           the small HDF5 with fresh labels and links to the big file
    verification, report    is this file whole and plausible? `light`, `structure`, `full`
    superblock, verify_*, chunk_map, scan    one module per topic of verification

Import from the modules; this file stays empty so that each costs only what it needs.
"""

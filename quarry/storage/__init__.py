"""Stores for published files: the contract, a directory and a Backblaze B2 bucket.

What is to be stored, when and under which name belongs to the callers.
"""

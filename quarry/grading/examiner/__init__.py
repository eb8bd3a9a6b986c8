"""The trusted process that runs a benchmark's tests and asks a shut-in worker for each answer.

server         one examination after the other; starts, limits and kills
sitting_process  where they run, forked by the server
sitting        one of them
conversation   requests to the worker and what its replies mean
proxies        what stands for the worker's objects in the tests
names          where the tests' names come from
assertions     tests that count their assertions and keep what was compared
shown          values as short text
warm_up        one of them with made-up answers, before the first fork
clock          how long a grade has taken

Started by `quarry.sandbox.inside.boot`: standard library and `quarry.sandbox.inside` only.
"""

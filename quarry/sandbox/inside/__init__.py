"""Modules that run inside: standard library only, nothing of quarry outside of this package.

How they are started: `python -s -P -S -B -X utf8 …/inside/boot.py MODULE ARGUMENT…`, see
`quarry.sandbox.start.inside_command`. `boot` puts empty packages `quarry`, `quarry.sandbox`, … into
`sys.modules`, which know the way to this package and to that of MODULE and to nothing else, imports
MODULE and calls its `main(arguments)`. So

    from quarry.sandbox.inside import wire

means the same file inside, in the tests, for pyright and for import-linter, and quarry's own first
file never runs inside. `quarry.grading.examiner` is started in the same way and may import both.

Who runs where: `zygote` and all that it imports in the box, before a program is there; `worker` in
the box, beside a program; `zygote_client` outside, in whoever starts a zygote.

This file is not run inside either: it has to stay free of code.
"""

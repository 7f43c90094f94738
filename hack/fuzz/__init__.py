"""`make fuzz MINUTES=n`: parsers fed by a coverage-guided fuzzer, from a small corpus that is kept here.

    targets     what is fed, and what must hold       corpus/    seeds, a folder for each target
    __main__    runs each target for its share        tests/unit/fuzz replays the seeds in every run of the tests

What the fuzzer finds on its way is kept in `.fuzz/`, which git ignores; an input that breaks something is named
with the command that replays it.
"""

"""`make demo`: the whole life of a service token on a real API server, with real commands and answers.

    __main__  the command line          stage  what must run: control plane, operator, validator
    story     the steps, in order       shell  runs what a user would type
    screen    what a reader sees        proxy  asks the validator as a reverse proxy would
    binaries  where Kubernetes is from  foreground  who hears Ctrl-C

A step shows a command, its answer, and one line that says what the answer proves; that line is asserted.
"""

"""`make bench`: how much our processes cost, as ratios against a yardstick that ran in the same minutes.

    __main__    the command line        machine    pinning, CPU of a process tree, what machine this is
    goserver/   yardstick and load      yardstick  builds and runs them
    stored      tokens in the API       serving    forward-auth and TokenReview against Go
    minting     1,000 tokens at once    revoking   API answer until refused
    report      rows, table, page

Ratios, since absolute numbers of a shared machine mean little; CPU time per request, since requests per
second mean less. Nothing here fails because a number is low: numbers are printed beside their goals.
"""

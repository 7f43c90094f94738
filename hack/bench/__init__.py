"""`make bench`: how much our processes cost, as ratios against a yardstick that ran in the same minutes.

    __main__    the command line        machine    pinning, CPU of a process tree, what machine this is
    goserver/   yardstick and load      yardstick  builds and runs them
    stored      tokens in the API       etcd       the quick way there
    comparison  who is compared         serving    cost of a request, against Go and nginx
    minting     1,000 tokens together   revoking   API answer until rejected
    starting    until right; memory     relisting  latency while all is listed again
    enforcing   until it is proven      plain      a validator in other surroundings
    report      rows, table, page

Ratios, since absolute numbers of a shared machine mean little; CPU time per request, since requests per second mean
less. Nothing here fails because a number is low: numbers are printed next to their goals.
"""

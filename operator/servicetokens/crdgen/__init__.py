"""Generate `crds/*.yaml` from the models in `servicetokens.api`: the schema is written once, in Python.

`make generate` runs it; a test generates again and fails when the committed files differ.
"""

"""From the models in `servicetokens.api` to `crds/*.yaml`: the schema is written once, as Python.

`make generate` runs it; a test generates again and fails when the committed files differ.
"""

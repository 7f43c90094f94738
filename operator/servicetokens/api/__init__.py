"""The wire contract: what people write, what the operator answers, and the names both are written under.

Data and its rules, no behaviour. Every fact of the schema (pattern, bound, CEL rule, list type, description)
stands once, on the model it constrains; `servicetokens.crdgen` turns the models into the CRDs, so what the
API server refuses and what our own processes refuse cannot drift apart.
"""

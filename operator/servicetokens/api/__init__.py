"""The API contract: what users write, what the operator reports, and the names of both.

Data and its rules, no behaviour. Every fact of the schema (pattern, bound, CEL rule, list type, description)
is stated once, on the model it constrains. `servicetokens.crdgen` generates the CRDs from the models, so the
API server and our own processes always reject the same objects.
"""

"""`python -m servicetokens.crdgen`: write `crds/*.yaml`, or check them with `--check`."""

from servicetokens.crdgen.main import generate

generate(prog_name="python -m servicetokens.crdgen")

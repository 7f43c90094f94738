"""The command line: `make fuzz MINUTES=n`, or `python -m fuzz --replay <target> <file>`."""

import argparse
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from servicetokens.runtime import logs

ROOT: Final = Path(__file__).resolve().parents[2]
CORPUS: Final = Path(__file__).parent / "corpus"
FOUND: Final = ROOT / ".fuzz"
# A request line, some headers and a small body: longer input is rejected by its length.
_MOST_BYTES: Final = 4096
# One input may take that long, in seconds: a hang is a finding.
_SECONDS_PER_INPUT: Final = 10


def main() -> int:
    """Run the requested targets; return the exit status."""
    parser = argparse.ArgumentParser(prog="make fuzz", description="Feed the parsers of the validator.")
    parser.add_argument("--minutes", type=float, default=1.0, help="for all targets together")
    parser.add_argument("--replay", nargs=2, metavar=("TARGET", "FILE"), help="feed one file")
    parser.add_argument("--target", help="run this one, in this process; further arguments are libFuzzer's")
    options, rest = parser.parse_known_args()
    if options.replay:
        return _replay(*options.replay)
    if find_spec("atheris") is None:
        print("fuzz: atheris has no wheel for this Python and machine; the corpus is replayed by make test")
        return 0
    if options.target:
        _fuzz(options.target, rest)
        return 0
    return _run_all(options.minutes)


def _replay(target: str, file: str) -> int:
    from fuzz.targets import TARGETS  # noqa: PLC0415 - the fuzzer has to be asked before they are imported

    TARGETS[target](Path(file).read_bytes())
    print(f"fuzz: {target} holds for {file}")
    return 0


def _run_all(minutes: float) -> int:
    """Run every target for its share, in a process of its own, since the fuzzer ends its process."""
    names = sorted(path.name for path in CORPUS.iterdir() if path.is_dir())
    seconds = max(1, round(minutes * 60 / len(names)))
    broken = []
    for name in names:
        new = FOUND / name
        new.mkdir(parents=True, exist_ok=True)
        print(f"fuzz: {name}, {seconds} s", flush=True)
        flags = [
            f"-max_total_time={seconds}",
            f"-max_len={_MOST_BYTES}",
            f"-timeout={_SECONDS_PER_INPUT}",
            f"-artifact_prefix={new}/broken-",
            "-verbosity=0",
            "-print_final_stats=1",
        ]
        ended = subprocess.run(
            [sys.executable, "-m", "fuzz", "--target", name, *flags, str(new), str(CORPUS / name)],
            capture_output=True,
            text=True,
            timeout=seconds + 300,
            check=False,
        )
        executed = [line for line in ended.stderr.splitlines() if "number_of_executed_units" in line]
        print("\n".join(executed) or ended.stderr[-2000:])
        if ended.returncode != 0:
            broken.append(name)
            print(ended.stderr[-4000:])
    for name in broken:
        for file in sorted((FOUND / name).glob("broken-*")):
            print(f"fuzz: replay by: PYTHONPATH=hack:tests .venv/bin/python -m fuzz --replay {name} {file}")
    return 1 if broken else 0


def _fuzz(target: str, flags: list[str]) -> None:
    # A line for every rejection would be most of the work.
    logs.configure("error", "text")
    import atheris  # noqa: PLC0415 - optional

    with atheris.instrument_imports(include=["servicetokens"]):
        from fuzz.targets import TARGETS  # noqa: PLC0415 - instrumented while it is imported

    os.chdir(FOUND)
    atheris.Setup([sys.argv[0], *flags], TARGETS[target])
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())

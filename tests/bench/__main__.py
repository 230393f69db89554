"""`make bench`: every family, or the one that ONLY= names; a table and bench-results.json.

A family is a function that yields rows. The file is written anew with each family that ends, so
that what was measured before a failure is kept.
"""

import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.bench.rows import Row

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "bench-results.json"
# Family -> module beside this one; each has `rows()`.
FAMILIES = ("tunnel", "register", "liveness", "distribution", "live")


def find_families(only: str) -> dict[str, Callable[[], Iterable[Row]]]:
    """Return the families to run. Raises SystemExit for one that does not exist."""
    known = [name for name in FAMILIES if (Path(__file__).parent / f"{name}.py").exists()]
    wanted = [name.strip() for name in only.split(",") if name.strip()] or known
    if unknown := set(wanted) - set(known):
        raise SystemExit(f"no such family: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    return {name: importlib.import_module(f"tests.bench.{name}").rows for name in wanted}


def digits(value: float) -> str:
    """Return a figure with as many digits as mean something."""
    return f"{value:,.1f}" if value >= 100 else f"{value:.2f}"


def table(rows: Iterable[Row]) -> str:
    """Return rows as people read them."""
    lines = [f"{'name':<36}{'value':>12}  {'unit':<6}{'peer':>12}{'ratio':>8}{'load':>7}  note"]
    for row in rows:
        peer = digits(row.peer_value) if row.peer_value is not None else ""
        ratio = f"{row.ratio:.2f}" if row.ratio is not None else ""
        lines.append(
            f"{row.name:<36}{digits(row.value):>12}  {row.unit:<6}{peer:>12}{ratio:>8}"
            f"{row.load:>7.2f}  {row.note}"
        )
    return "\n".join(lines)


def main() -> int:
    """Run and report; 1 when a family could not be measured."""
    measured: list[Row] = []
    failed = []
    for name, rows in find_families(os.environ.get("ONLY", "")).items():
        try:
            for row in rows():
                measured.append(row)
                print(f"{row.name}: {digits(row.value)} {row.unit}", flush=True)
        except Exception:
            # The other families are still worth their time.
            traceback.print_exc()
            failed.append(name)
        text = json.dumps([row.as_json() for row in measured], indent=2, ensure_ascii=False)
        RESULTS.write_text(text + "\n")
    print(table(measured))
    if failed:
        print(f"not measured: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""Every bad input against the product with one line changed: ``python -m tests.core.bad_input_changed FILE OLD NEW``.

Prints what was let through, and what raised, as JSON.
"""

import json
import sys

from tests.proof.patched import changed_source, install


def main(arguments: list[str]) -> None:
    file, old, new = arguments
    install(file, changed_source(file, old, new))
    from tests.core import bad_input  # after the change is in place

    found = bad_input.ask_all()
    sys.stdout.write(json.dumps({"let_through": found.let_through, "unhandled": found.unhandled}))


if __name__ == "__main__":
    main(sys.argv[1:])

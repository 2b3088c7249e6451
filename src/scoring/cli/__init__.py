"""`scoring COMMAND`: arguments in, sentences and exit codes out.

main()      the console script
app.py      the commands, in groups: start, steps, look
common.py   options that every command has, printing, locking
"""

import os


def main() -> None:
    """Run the command line and end the process with the exit code of errors.py."""
    # Threads that wait should sleep: spinning ones slow LightGBM down many times on a busy machine.
    # OpenMP reads this once, when it is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from scoring.cli.app import run

    run()

"""`scoring COMMAND`: arguments in, sentences and exit codes out.

main()      the console script
app.py      the commands, in groups: start, steps, look
common.py   options that every command has, printing, locking
"""


def main() -> None:
    """Run the command line and end the process with the exit code of errors.py."""
    from scoring.cli.app import run

    run()

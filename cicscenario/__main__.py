"""``python -m cicscenario`` is the same as ``cicscenario``."""

from cicscenario.cli.app import main

if __name__ == "__main__":
    main()

"""An example of each thing that a package from outside can add to cicscenario."""

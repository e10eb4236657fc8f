"""What is said in more than one place."""

ANEW = (
    "use another --dir. With --fresh this state is set aside and everybody is made anew: on the same chain, that pays"
    " everybody again"
)

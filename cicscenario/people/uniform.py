"""What people are without a profile. The groups and their weights are those of the data generation tools of old."""

from datetime import UTC, datetime, timedelta

#: Ages and registration dates are relative to this fixed day, so that a scenario makes the same people on every day.
TODAY = datetime(2022, 1, 29, tzinfo=UTC)
WINDOW = timedelta(weeks=150)  #: in which people registered, before TODAY
YOUNGEST, OLDEST = 15, 115  #: years

GENDERS = ("female", "male", "other")
PRODUCTS = {
    "fruit": 25, "maji": 5, "milk": 10, "teacher": 10, "doctor": 5, "boutique": 15, "recycling": 5, "farmer": 5,
    "oil": 5, "pastor": 10, "chama": 3, "bzrTsuZieaq": 1,
}  # fmt: skip
AREAS = {
    "mnarani": 5, "chilumani": 10, "madewani": 10, "kisauni": 5, "bangla": 10, "kabiro": 10, "manyani": 5,
    "ruben": 15, "makupa": 5, "kingston": 5, "rangala": 5, "homabay": 10, "nakuru": 3, "kajiado": 1,
    "zurtWicKtily": 1,
}  # fmt: skip

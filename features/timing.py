"""When they turn to us, in their own time zone."""

from scoring import interactions

_theirs = interactions(direction="inbound").not_by_machine()

office_hours = _theirs.share(
    part=interactions(direction="inbound")
    .where("local_weekday", at_most=4)
    .where("local_hour", at_least=8, at_most=17)
).says("{share} of what they do falls in office hours")
weekends = _theirs.share(
    part=interactions(direction="inbound").where("local_weekday", at_least=5)
).says("{share} of what they do falls on weekends")

"""Every kind of interaction that this company's history holds, whatever it is called.

A type or a property becomes a column only if it is frequent enough in the training rows.
"""

from scoring import interactions

count = (
    interactions()
    .not_by_machine()
    .each_type()
    .count(last_days=[30, 90])
    .says("{name}: {n} time in {days} days", "{name}: {n} times in {days} days")
)
count_ever = (
    interactions()
    .not_by_machine()
    .each_type()
    .count()
    .says("{name}: {n} time so far", "{name}: {n} times so far")
)
last = interactions().not_by_machine().each_type().last_on().says("{name}: {date} (last)")
total = (
    interactions()
    .not_by_machine()
    .each_number()
    .sum(last_days=[30])
    .says("{name}: {value} in {days} days")
)
total_ever = interactions().not_by_machine().each_number().sum().says("{name}: {value} in all")
average = interactions().not_by_machine().each_number().mean().says("{name}: {value} on average")
latest = interactions().not_by_machine().each_number().last().says("{name}: last {value}")
said = interactions().not_by_machine().each_text().last().says("{name}: last {value}")

"""Every kind of interaction that this company's history holds, whatever it is called.

A type or a property becomes a column only if it is frequent enough in the training rows.
"""

from scoring import interactions

count = (
    interactions()
    .each_type()
    .count(last_days=[30, 90])
    .says("{name}: {n} time in {days} days", "{name}: {n} times in {days} days")
)
count_ever = (
    interactions().each_type().count().says("{name}: {n} time so far", "{name}: {n} times so far")
)
last = interactions().each_type().last_on().says("{name}: last on {date}")
total = interactions().each_number().sum(last_days=[30]).says("{name}: {value} in {days} days")
total_ever = interactions().each_number().sum().says("{name}: {value} in all")
average = interactions().each_number().mean().says("{name}: {value} on average")
latest = interactions().each_number().last().says("{name}: last {value}")
said = interactions().each_text().last().says("{name}: last {value}")

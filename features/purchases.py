"""Past purchases: how recent, how many, for how much."""

from scoring import interactions

_BOUGHT = ("purchase*", "order_placed", "order_paid", "invoice_paid*", "payment_received*")

last_purchase = interactions(*_BOUGHT).last_on().says("last bought on {date}").earnest()
bought = (
    interactions(*_BOUGHT)
    .count(last_days=[365])
    .says("bought {n} time in {days} days", "bought {n} times in {days} days")
)
spent = (
    interactions(*_BOUGHT).sum("amount", last_days=[365]).says("bought for {value} in {days} days")
)

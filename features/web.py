"""What a lead looks at and takes: pages, free content, webinars, social networks."""

from scoring import feature, interactions

_VISITS = ("page_*", "*pageview*", "*page_view*", "visit", "site_visit*", "web_*", "session*")
_PRICES = ("price_page*", "pricing_*", "*price_list*", "plans_*")
_FREE = (
    *("content_*", "*download*", "ebook*", "e_book*", "whitepaper*", "webinar*", "free_*"),
    *("newsletter*", "prize_*", "raffle*", "trial_started", "support_*"),
)
_SERIOUS = ("meeting_held", "demo_*", "proposal_*", "quote_*", "offer_*", "order_*", "contract_*")

visits = (
    interactions(*_VISITS)
    .not_by_machine()
    .count(last_days=[7, 30])
    .says("{n} visit to our pages in {days} days", "{n} visits to our pages in {days} days")
)
visit_days = (
    interactions(*_VISITS)
    .not_by_machine()
    .active_days(last_days=[30])
    .says("on our pages on {n} day of {days}", "on our pages on {n} days of {days}")
)
prices_viewed = (
    interactions(*_PRICES)
    .count(last_days=[30])
    .says("looked at prices {n} time in {days} days", "looked at prices {n} times in {days} days")
)
free_taken = (
    interactions(*_FREE)
    .count()
    .says("took free content or service {n} time", "took free content or service {n} times")
    .warns("busy_without_progress", strong=True)
)
serious_steps = (
    interactions(*_SERIOUS)
    .count()
    .says("{n} meeting, offer or order", "{n} meetings, offers and orders")
)
# After free information: much is taken, nothing is agreed.
free_per_step = (
    (feature("free_taken") / feature("serious_steps"))
    .says("took free content {value} times for each meeting or offer")
    .warns("busy_without_progress")
)
materials = (
    interactions(*_FREE)
    .distinct("material_id")
    .says("took {n} different material", "took {n} different materials")
)
social = (
    interactions(
        *("social*", "linkedin*", "facebook*", "instagram*", "vkontakte*", "vk_*", "youtube*"),
    )
    .count(last_days=[90])
    .says(
        "{n} time on social networks in {days} days", "{n} times on social networks in {days} days"
    )
)
referrals = (
    interactions("referral*", "recommend*")
    .count()
    .says("recommended us {n} time", "recommended us {n} times")
)

"""What becomes of the emails and material that we send, without what machines opened."""

from scoring import feature, interactions

_sent = interactions("email_sent", "email_out*", "email_delivered")
_opened = interactions("email_open*").not_by_machine()
_clicked = interactions("email_click*", "link_click*").not_by_machine()
_answered = interactions("email_rec*", "email_rep*", "email_in*").not_by_machine()

emails_opened = _opened.count(last_days=[30, 90]).says(
    "opened {n} email in {days} days", "opened {n} emails in {days} days"
)
emails_clicked = _clicked.count(last_days=[90]).says(
    "clicked a link {n} time in {days} days", "clicked a link {n} times in {days} days"
)
last_open = _opened.last_on().says("last opened an email on {date}")
open_share = _sent.followed_share(_opened, within_days=14, last_days=[90]).says(
    "opened {share} of our emails within two weeks"
)
answer_share = _sent.followed_share(_answered, within_days=7, last_days=[90]).says(
    "answered {share} of our emails within a week"
)
# Material that has to be sent again and again.
_material = interactions("email_sent", "email_out*", "material_sent", "document_sent", "quote_sent")
materials_sent = _material.distinct("material_id").says(
    "we sent {n} different material", "we sent {n} different materials"
)
offer_read = (
    interactions("proposal_sent", "quote_sent", "offer_sent", "contract_sent", "material_sent")
    .followed_share(
        interactions(
            *("proposal_open*", "quote_open*", "offer_open*", "contract_open*", "material_open*"),
            *("proposal_view*", "quote_view*", "offer_view*", "contract_view*"),
        ),
        within_days=7,
    )
    .says("opened {share} of our offers within a week")
)
bounced = (
    interactions("*bounce*", "*undeliver*")
    .count()
    .says("{n} email came back", "{n} emails came back")
)
left_the_list = (
    interactions("*unsubscrib*", "*opt_out*", "*spam*complain*")
    .last_on()
    .says("wanted no more emails on {date}")
)
clicks_per_open = (feature("emails_clicked_90d") / feature("emails_opened_90d")).says(
    "{value} clicks for each email opened"
)

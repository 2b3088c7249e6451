"""How the clicks, opens and replies of machines are known; `.not_by_machine()` leaves them out.

A mail scanner opens every mail and follows its links within seconds of its delivery; an
auto-responder answers before anybody could have read. Change the seconds to what your mail system
shows, and add the marks that it gives: a flag, or the words of a subject.
"""

from scoring import machine

scanned = machine("email_opened", "email_clicked").within_seconds(30, after="email_sent")
all_links_at_once = machine("email_clicked").same_moment(at_least=3, within_seconds=5)
answered_at_once = machine("email_received").within_seconds(60, after="email_sent")
auto_reply = machine("email_received").where("auto_submitted", is_in=[True])
auto_reply_by_subject = machine("email_received").where(
    "subject",
    is_in=["automatic reply*", "auto:*", "out of office*", "*automaattinen vastaus*",
           "*poissa toimistosta*", "*automaatvastus*", "*автоответ*"],
)  # fmt: skip
bot = machine("email_opened", "email_clicked", "page_view").where("bot", is_in=[True])

"""What a seller is told to do, in a sentence; the CRM's choice shows the label only."""

from scoring.words.labels import N_

SAYS = {
    "call_now": N_("Call now"),
    "answer_customer": N_("Answer the customer, who spoke last"),
    "ask_for_decision_maker": N_("Ask who decides, and invite that person"),
    "ask_question": N_("Ask for this: {name}"),
    "offer_pilot": N_("Offer a pilot with a clear end"),
    "offer_references": N_("Offer references: customers like them"),
    "offer_payment_plan": N_("Offer a payment plan or a lighter package"),
    "verify_contact": N_("Verify the phone number and the address"),
    "nurture": N_("Leave them to automatic messages for now"),
    "recycle": N_("Come back on {date}, or when they act"),
    "disqualify": N_("Disqualify, with the reason"),
    "none": "",
}
# Where every question of the table is answered.
NOTHING_OPEN = N_("Ask what else they need")
# Of a lead that has not refused by itself.
FAREWELL = N_("Come back on {date}. Say goodbye now, and ask why")

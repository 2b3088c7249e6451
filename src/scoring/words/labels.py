"""Stored keys as people read them. Keys are stable and English; labels are neutral and translated.

At most 25 characters in every language: CRMs cut longer choices.
"""

from gettext import NullTranslations

from scoring.words.names import named


def N_(text: str) -> str:
    """Marks a text for the catalogue; it is translated where it is shown."""
    return text


YES, NO = N_("yes"), N_("no")

LABELS: dict[str, dict[str, str]] = {
    "attention": {
        "none": N_("Nothing to note"),
        "low_engagement": N_("Low engagement"),
        "busy_without_progress": N_("Busy without progress"),
        "outside_profile": N_("Outside customer profile"),
        "waiting_for_us": N_("Waiting for our answer"),
        "not_worked": N_("Not worked yet"),
        "not_assessed": N_("Not assessed"),
    },
    "grade": {
        "A": N_("A: highest"),
        "B": N_("B: higher"),
        "C": N_("C: lower"),
        "D": N_("D: lowest"),
    },
    "trend": {
        "rising": N_("Rising"),
        "steady": N_("Steady"),
        "falling": N_("Falling"),
    },
    "tire_kicker": {
        "true": N_("Weak intent to buy"),
    },
    "next_step": {
        "call_now": N_("Call now"),
        "answer_customer": N_("Answer the customer"),
        "ask_for_decision_maker": N_("Ask for decision maker"),
        "ask_question": N_("Ask what is missing"),
        "offer_pilot": N_("Offer a pilot"),
        "offer_references": N_("Offer references"),
        "offer_payment_plan": N_("Offer a payment plan"),
        "nurture": N_("Nurture automatically"),
        "recycle": N_("Come back later"),
        "verify_contact": N_("Verify contact data"),
        "disqualify": N_("Disqualify"),
        "none": N_("No step"),
    },
    "temperature": {
        "hot": N_("Hot"),
        "warm": N_("Warm"),
        "cold": N_("Cold"),
    },
    "score_feedback": {
        "agree": N_("I agree"),
        "too_high": N_("Too high"),
        "too_low": N_("Too low"),
        "not_a_tire_kicker": N_("Does intend to buy"),
    },
    # The themes of `features/` as they are shipped.
    "main_reason": {
        "activity": N_("Single activities"),
        "contacts": N_("Contact persons"),
        "effort": N_("Effort on both sides"),
        "email": N_("Email"),
        "engagement": N_("Engagement"),
        "fit": N_("Lead profile"),
        "meetings": N_("Meetings"),
        "peers": N_("Similar leads"),
        "purchases": N_("Past purchases"),
        "qualification": N_("Qualification"),
        "signs": N_("Buying signs"),
        "stages": N_("Pipeline stages"),
        "timing": N_("Time of contact"),
        "web": N_("Website and content"),
    },
}

# What stands above our columns in a CRM, and over all of them together.
GROUP = N_("Lead scoring")
COLUMNS: dict[str, str] = {
    "score": N_("Lead score"),
    "next_step": N_("Next step"),
    "attention": N_("Attention"),
    "why": N_("Why this score"),
    "score_updated_on": N_("Score updated on"),
    "score_feedback": N_("Your view of the score"),
    "probability": N_("Probability"),
    "probability_low": N_("Probability, low end"),
    "probability_high": N_("Probability, high end"),
    "grade": N_("Grade"),
    "temperature": N_("Temperature"),
    "trend": N_("Trend"),
    "work_on": N_("Work on"),
    "recycle_on": N_("Come back on"),
    "main_reason": N_("Main reason"),
    "tire_kicker": N_("Weak intent to buy"),
}


def label(column: str, key: str, texts: NullTranslations) -> str:
    """The label of a key of a score column, e.g. ("attention", "not_worked").

    A key that the team has added reads as words, translated by the project's own catalogue.
    """
    known = LABELS[column].get(key)
    if known is not None:
        return texts.gettext(known)
    name = named(key.replace("_", " "), texts)
    return name[:1].upper() + name[1:]

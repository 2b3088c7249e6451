"""Stored keys as people read them. Keys are stable and English; labels are neutral and translated.

At most 25 characters in every language: CRMs cut longer choices.
"""

from gettext import NullTranslations


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
}


def label(column: str, key: str, texts: NullTranslations) -> str:
    """The label of a key of a score column, e.g. ("attention", "not_worked")."""
    return texts.gettext(LABELS[column][key])

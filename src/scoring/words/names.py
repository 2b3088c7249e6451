"""Names that CRM histories have in common: attributes, types, stages, roles and their values.

A project's own names are translated by its own catalogue, in words: `email_opened` is looked up as
`email opened`. A name that no catalogue has is shown as the CRM has it. At most 24 characters in
every language, so that the number behind a name is seen at a glance.
"""

from gettext import NullTranslations

NAMES = {
    "attributes of leads": """
        address, amount, annual revenue, authority, budget, budget known, business type, campaign,
        category, champion, channel, city, company, company size, competitor, country, county,
        currency, customer type, deal type, decision criteria, decision process, department,
        economic buyer, email, email domain, employees, expected close on, industry, interest, job
        title, language, lead source, location, market, metrics, mobile phone, need, number of
        employees, number of users, origin, original source, owner, owner id, pain, partner, past
        purchases, phone, plan, position, postal code, priority, probability, product, product
        interest, rating, region, revenue, role, sector, segment, seniority, size, source, source
        detail, status, subscription, team, territory, time zone, timeline, title, topic, turnover,
        type, website, zip code
        """,
    "properties of interactions": """
        answer, attachments, bot, comment, contact role, deciding attended, deciding invited,
        device, duration, duration in hours, duration in minutes, duration in seconds, feature,
        file, form, grade, invited,
        invited count, link, material, material id, message, minutes, moved by, next step, next step
        on, number, page, pages, price, quantity, reason, result, score, subject, text, url, value,
        visits, words
        """,
    "types of interactions": """
        ad clicked, app opened, call, call answered, call attempt, call inbound, call missed, call
        outbound, call request, chat, chat message, commitment, consultation, consultation request,
        content downloaded, contract opened, contract sent, contract signed, demo, demo booked, demo
        cancelled, demo held, demo request, discount request, document sent, download, ebook
        downloaded, email bounced, email clicked, email complaint, email delivered, email inbound,
        email opened, email outbound, email received, email replied, email sent, email unsubscribed,
        event attended, event registered, feature used, follow up, form submitted, free plan
        request, invoice paid, letter, linkedin message, login, material opened, material sent,
        meeting, meeting booked, meeting cancelled, meeting held, meeting no show, meeting request,
        meeting rescheduled, newsletter signup, next step question, note, nps answer, offer opened,
        offer sent, order placed, page view, payment question, payment received, price page view,
        price question, proposal opened, proposal sent, purchase, quote opened, quote request, quote
        sent, recommendation, referral, site visit, sms, social touch, support question, support
        ticket, survey answer, task, trial started, trial used, video watched, visit, voicemail,
        webinar attended, webinar registered, whitepaper downloaded
        """,
    "stages": """
        appointment scheduled, close, closed, closing, contacted, contract, decision, discovery,
        disqualified, evaluation, first contact, in progress, lead, lost, needs assessment,
        negotiation, new, offer, on hold, open, opportunity, pilot, presentation, proposal,
        prospecting, qualification, qualified, quote, recycled, trial, unknown, unqualified, verbal
        agreement, won
        """,
    "sources and channels": """
        advertising, cold call, cold email, content, direct, employee referral, event, exhibition,
        existing customer, inbound, linkedin outreach, online, organic search, other, outbound, paid
        search, print, purchased list, radio, reseller, search, social media, telephone, trade fair,
        web, web form, webinar, word of mouth
        """,
    "industries": """
        agriculture, automotive, banking, construction, consulting, education, energy, finance,
        food, government, healthcare, hospitality, insurance, legal, logistics, manufacturing,
        media, non profit, pharmaceuticals, public sector, real estate, retail, services, software,
        technology, telecommunications, tourism, transport, utilities, wholesale
        """,
    "roles, seniority and mail domains": """
        assistant, board member, buyer, ceo, cfo, consultant, cto, customer, decision maker,
        director, employee, end user, engineer, executive, expert, founder, free, influencer,
        junior, manager, managing director, marketing, procurement, sales, secretary, senior,
        specialist, student, technical buyer, university, us, user
        """,
    "answers": """
        bad, cold, false, good, high, hot, known, large, later, low, monthly, next month, next
        quarter, next year, none, not known, not urgent, now, one time, small, this month, this
        quarter, this year, true, urgent, warm, yearly
        """,
}


def common_names() -> tuple[str, ...]:
    """All of NAMES, once each."""
    listed = (name for group in NAMES.values() for name in group.split(","))
    return tuple(dict.fromkeys(" ".join(name.split()) for name in listed))


def named(name: str, texts: NullTranslations) -> str:
    """A name in words as the language has it, and as it stands where no catalogue has it."""
    own = entry(name)
    found = texts.gettext(own) if own else own
    return name if found == own else found


def entry(name: str) -> str:
    """What a catalogue has a name by.

    Capital letters make no other name, but codes are no words: the country `NO` is not a "no".
    """
    return name if name.isupper() else name.lower()

"""Who takes part: how many people, in which roles, and what can be reached of them."""

from scoring import contacts, interactions

people = (
    interactions()
    .not_by_machine()
    .distinct("contact_id", last_days=[90])
    .says("{n} person took part in {days} days", "{n} people took part in {days} days")
)
people_known = (
    contacts()
    .distinct("contact_id")
    .says("{n} contact known", "{n} contacts known")
    .warns("busy_without_progress", side="low")
)
roles_known = contacts().distinct("role").says("{n} role known", "{n} roles known")
newest_contact = contacts().last_on().says("newest contact joined on {date}")
seniority = contacts().last("seniority").says("newest contact: {value}")
roles_active = (
    interactions()
    .not_by_machine()
    .distinct("contact_role", last_days=[90])
    .says("{n} role took part in {days} days", "{n} roles took part in {days} days")
)

"""New projects: over a folder of tables, or over the simulated sales organisation.

headers.py   what CRM exports call the canonical columns and tables, in five languages
names.py     headers as they are compared, and as plain identifiers
words.py     what they call an outcome and a direction
dates.py     how their dates and numbers are written
profile.py   a sample of each file: encoding, delimiter, kinds of values
folder.py    the tables of a folder
match.py     which column of a file is which canonical column, how sure
proposal.py  the proposal as data
propose.py   which file is which table
reading.py   how each file is to be read
settle.py    attributes, what is left out, settings
report.py    what a person is told about it
staging.py   the proposal as sources.toml and staging SQL
template.py  where the project template is
write.py     the project's folder
"""

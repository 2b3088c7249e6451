"""Who the lead is: the attributes that were known at the moment of the score."""

from scoring import each_attribute

attributes = each_attribute().says("{name}: {value}")

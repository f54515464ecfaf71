"""Names of the tables that hold labels and audiences."""

PORTRAIT = "gold.customer_portrait"
HISTORY = "gold.label_history"
STATISTICS = "gold.label_statistics"
AUDIENCES = "gold.audiences"
MEMBERS = "gold.audience_members"

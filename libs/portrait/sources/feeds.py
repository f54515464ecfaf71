"""The columns of every feed, in the order of its contract in `schemas/raw` (a test compares the two)."""

from __future__ import annotations

from typing import Final

CHANGE: Final = ("op", "changed_at")

FEED_COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "regions": (
        "region_id",
        "name",
        "urban_share",
        "population",
        "average_salary",
        "unemployment",
        "snapshot_on",
    ),
    "customers": (
        *(
            "customer_id",
            *CHANGE,
            "birth_date",
            "gender",
            "region_id",
            "residence",
            "occupation",
            "education",
        ),
        *(
            "marital_status",
            "children",
            "declared_income",
            "employer_id",
            "branch_id",
            "manager_id",
            "risk_level",
        ),
        *("risk_assessed_on", "consent_marketing", "consent_channels", "full_name", "phone", "national_id"),
    ),
    "accounts": (*("account_id", *CHANGE, "kind", "opened_on", "closed_on", "currency", "branch_id", "interest_rate"),),
    "account_parties": ("account_id", "party_id", *CHANGE, "role", "party_kind"),
    "transactions": (
        *(
            "transaction_id",
            "account_id",
            "booked_at",
            "amount",
            "direction",
            "balance_after",
            "type",
            "channel",
        ),
        *("category", "merchant_id", "counterparty_bank", "counterparty_account", "note"),
    ),
    "cards": (*("card_id", *CHANGE, "account_id", "customer_id", "type", "issued_on", "closed_on", "credit_limit"),),
    "loans": (
        *("loan_id", *CHANGE, "account_id", "granted_on", "amount", "months", "rate", "instalment", "status"),
        "status_on",
    ),
    "standing_orders": (
        *(
            "order_id",
            *CHANGE,
            "account_id",
            "counterparty_bank",
            "counterparty_account",
            "amount",
            "purpose",
        ),
    ),
    "products": (
        *(
            "product_id",
            *CHANGE,
            "name",
            "kind",
            "risk_level",
            "minimum_amount",
            "holding_days",
            "annual_rate",
        ),
        *("transfer_price", "margin", "available_from", "available_to", "minimum_tier", "age_from", "age_to"),
    ),
    "holdings": ("holding_id", *CHANGE, "customer_id", "product_id", "opened_on", "closed_on", "amount"),
    "branches": ("branch_id", "region_id", "name", "kind", "cost_per_month", "snapshot_on"),
    "companies": (
        "company_id",
        *CHANGE,
        "name",
        "industry",
        "registered_capital",
        "revenue",
        "employees",
        "parent_id",
        "region_id",
        "branch_id",
    ),
    "instalments": ("loan_id", "due_on", *CHANGE, "amount_due", "paid_on", "amount_paid"),
    "channel_events": ("event_id", "customer_id", "at", "channel", "action", "seconds_waited", "outcome"),
    "campaigns": ("campaign_id", *CHANGE, "name", "product_id", "channel", "starts_on", "ends_on", "control_share"),
    "contacts": ("contact_id", "campaign_id", "customer_id", "arm", "channel", "sent_at"),
    "responses": ("response_id", "contact_id", "campaign_id", "customer_id", "kind", "at", "amount"),
    "relations": ("from_id", "to_id", "kind", "valid_from", *CHANGE, "valid_to", "share"),
    "feedback": ("feedback_id", "customer_id", "at", "channel", "topic", "score", "text", "votes"),
    "transfer_prices": ("priced_on", "kind", "term_months", "rate"),
    "unit_costs": ("costed_on", "type", "channel", "cost"),
    "exchange_rates": ("quoted_on", "currency", "rate"),
    "tier_overrides": (
        *("override_id", *CHANGE, "customer_id", "tier", "starts_on", "ends_on", "reason", "decided_by"),
    ),
}

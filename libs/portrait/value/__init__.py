"""What a customer is worth and where they stand: recency, frequency, monetary, assets, score, tiers, migration."""

"""Relations: who belongs together, who owns whom, who controls whom."""

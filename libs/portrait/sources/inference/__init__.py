"""What a bank's own files say of themselves: format, columns, and which feed they may be. Without Spark.

`infer` looks at files and proposes mappings with reasons; a person accepts them. What is proposed is never used unseen.
"""

from portrait.sources.inference.derive import Suggestion
from portrait.sources.inference.knowledge import Knowledge, load_knowledge
from portrait.sources.inference.proposal import Proposal, infer
from portrait.sources.inference.writing import mapping_text

__all__ = ["Knowledge", "Proposal", "Suggestion", "infer", "load_knowledge", "mapping_text"]

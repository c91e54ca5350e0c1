"""xfer: intermediate-task training and its rivals for zero-shot cross-lingual transfer.

The paper: Phang et al., "English Intermediate-Task Training Improves Zero-Shot Cross-Lingual Transfer
Too", AACL 2020, arXiv 2005.13013.
"""

__version__ = "0.1.0"

"""What is it: record types, contracts, layouts, key and version arithmetic."""

from schemas import coders as coders

"""The documents: generated where the code can tell, and checked against it where it cannot."""

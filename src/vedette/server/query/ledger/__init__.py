"""What was not kept and what was: the ledger of everything refused or dropped, and usage by the hour."""

"""What is done to a ledger by hand: founding it, inspecting it, exporting it, renewing its policy."""

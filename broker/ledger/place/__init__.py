"""Where the ledger goes on in the audit topic: behind what is gone, or back to where two logs part."""

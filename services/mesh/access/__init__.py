"""Who may call what: what the contracts say, who calls, and whose accounts they reach."""

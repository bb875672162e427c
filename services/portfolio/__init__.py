"""PortfolioService: accounts, positions, portfolios, and what they are worth."""

"""The kind provider's whole flow with stand-ins for kind and docker on PATH, and a lab behind them as the cluster."""

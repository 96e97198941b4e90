"""A simulated telephone: calls any bridge as a carrier would, over real webhooks and sockets. Knows nothing of it but sound."""

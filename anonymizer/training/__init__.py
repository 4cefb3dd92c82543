"""How the built-in model came to be: renderer, trainers, export. Nothing else imports this."""
